"""A standby of a private PostgreSQL: a second server, which replays the log of the first and can be read."""

import os
from pathlib import Path

from embedded.postgres import (
    ENVIRONMENT,
    SETTINGS,
    UNSAFE_SETTINGS,
    RunningPostgres,
    data_folder,
    launch,
    programs,
    server_account,
    write_secret,
)
from embedded.processes import run_as


def start(folder: Path, primary: RunningPostgres) -> RunningPostgres:
    """Copy a server into a folder and start it as a standby of that one, from which it has the passwords, too.

    `embedded.postgres` stops and removes it. Raises StartFailed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True)
    account = server_account()
    binaries, data = programs(account), data_folder(folder, account)
    data.mkdir(mode=0o700)
    if account is not None:
        os.chown(data, account.uid, account.gid)
    write_secret(folder / "password", primary.admin_password)
    copy: list[str | Path] = [binaries / "pg_basebackup", "--pgdata", data, "--dbname", primary.admin_url]
    run_as(account, [*copy, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], ENVIRONMENT)
    return launch(folder, data, binaries, account, 0, SETTINGS | UNSAFE_SETTINGS)
