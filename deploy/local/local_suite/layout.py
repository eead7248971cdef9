"""Where the state of one copy of the suite is kept, and what the suite consists of."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("identity", "customers", "leads")
"""In the order in which their databases are brought up to date."""


class Problem(Exception):
    """What the user asked for cannot be done. The message says why and what to do."""


@dataclass(frozen=True)
class RunFolder:
    """The one folder that holds everything a running copy writes."""

    path: Path

    @classmethod
    def chosen(cls) -> "RunFolder":
        """The folder that `RUN_DIR` names, or `.run` in the checkout."""
        return cls(Path(os.environ.get("RUN_DIR") or ROOT / ".run").resolve())

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.path / "logs"

    @property
    def traces(self) -> Path:
        """The spans that each process finished."""
        return self.path / "traces"

    @property
    def objects(self) -> Path:
        """The files that the services keep outside their databases, such as pictures."""
        return self.path / "objects"

    @property
    def mails(self) -> Path:
        """The mails that the services sent, one `.eml` file each."""
        return self.path / "mails"

    @property
    def postgres(self) -> Path:
        """The state of the private PostgreSQL."""
        return self.path / "postgres"

    @property
    def rabbitmq(self) -> Path:
        """The state of the private RabbitMQ."""
        return self.path / "rabbitmq"

    @property
    def environment(self) -> Path:
        """What processes are started with, to be read by a shell."""
        return self.path / "env"

    def log(self, process: str) -> Path:
        """The log of a process."""
        if process in ("postgres", "rabbitmq"):
            return self.path / process / "log"
        return self.logs / f"{process}.log"

    def create(self) -> None:
        """Make the folder and those in it."""
        for folder in (self.path, self.logs, self.traces):
            folder.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> dict[str, Any]:
        """What is kept under a name; empty if nothing is."""
        try:
            kept: dict[str, Any] = json.loads((self.path / f"{name}.json").read_text())
        except FileNotFoundError:
            return {}
        return kept

    def write(self, name: str, values: dict[str, Any]) -> None:
        """Keep values under a name, readable by the owner alone, and whole at every moment."""
        write_private(self.path / f"{name}.json", json.dumps(values, indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from starting or stopping this copy meanwhile. Raises Problem if somebody does just that."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Problem(f"the suite in {self.path} is being started or stopped by another command") from None
            yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole at every moment."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.touch(mode=0o600)
    staging.write_text(text)
    staging.replace(path)
