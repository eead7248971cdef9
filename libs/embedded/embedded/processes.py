"""Processes that outlive whoever starts them, and are found again by what is written down about them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


class StartFailed(RuntimeError):
    """A server or process did not come up. The message holds the end of its log."""


@dataclass(frozen=True)
class ProcessRef:
    """A process, told apart from a later one that was given the same number by when it was created."""

    pid: int
    created: float
    """Seconds since 1970, as the operating system tells it."""

    @classmethod
    def of(cls, pid: int) -> "ProcessRef":
        """The process that has this number now. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            # The tolerance is for clocks that are set while the process runs: its creation time is reckoned from them.
            if abs(process.create_time() - self.created) > 2 or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.find() is not None

    def stop(
        self,
        *,
        signals: Sequence[signal.Signals] = (signal.SIGTERM,),
        seconds: float = 20,
        before_kill: Callable[[], None] = lambda: None,
    ) -> bool:
        """Send the signals in turn, each with so many seconds to obey, then kill. Returns whether it obeyed."""
        for each in signals:
            process = self.find()
            if process is None:
                return True
            try:
                process.send_signal(each)
            except psutil.NoSuchProcess:
                return True
            if self._ends_within(seconds):
                return True
        before_kill()
        self.kill()
        return False

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the end. One that ended but that its parent has not reaped is gone as well; psutil waits for it."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        # A child of this process is reaped, since servers take a number that a zombie holds for one in use.
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return True

    def kill(self) -> None:
        """End it at once, with no chance to clean up, and wait until it is gone."""
        process = self.find()
        if process is not None:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                return
            self._ends_within(10)


@dataclass(frozen=True)
class Account:
    """The operating system's user that a server runs as."""

    name: str
    uid: int
    gid: int


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path = Path("/"),
    account: Account | None = None,
) -> ProcessRef:
    """Start a process in a session of its own, so that it outlives this one, with its output appended to a log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    # It is not this process's business to reap it: `ProcessRef` treats a zombie as gone.
    process.returncode = 0
    return ProcessRef.of(process.pid)


def run_as(account: Account | None, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    """Run a command to its end as a user. Raises StartFailed with its output if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env=dict(environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise StartFailed(f"{Path(command[0]).name} failed:\n{done.stdout}")


def wait_for(what: str, ready: Callable[[], bool], process: ProcessRef, log: Path, seconds: float) -> None:
    """Wait until a process is ready. Raises StartFailed with the end of its log if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not process.alive():
            raise StartFailed(f"{what} ended while starting:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StartFailed(f"{what} is not ready after {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.02)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.exists():
        return f"(no log at {log})"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
