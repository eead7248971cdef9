"""A standby of a private PostgreSQL: a second server, which replays the log of the first and can be read."""

import os
from pathlib import Path

from embedded.places import ENVIRONMENT, data_folder, server_account
from embedded.postgres import SETTINGS, UNSAFE_SETTINGS, RunningPostgres, launch, programs, write_secret
from embedded.processes import run_as


def start(folder: Path, primary: RunningPostgres) -> RunningPostgres:
    """Copy a server into a folder and start it as a standby of that one, from which it has the passwords, too.

    `embedded.postgres` stops and removes it. Raises StartFailed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True)
    account = server_account()
    binaries, data = programs(account), data_folder(folder, account, lasting=False)
    data.mkdir(mode=0o700)
    if account is not None:
        os.chown(data, account.uid, account.gid)
    write_secret(folder / "password", primary.admin_password)
    copy: list[str | Path] = [binaries / "pg_basebackup", "--pgdata", data, "--dbname", primary.admin_url]
    run_as(account, [*copy, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], ENVIRONMENT)
    return launch(folder, data, binaries, account, 0, SETTINGS | UNSAFE_SETTINGS)
