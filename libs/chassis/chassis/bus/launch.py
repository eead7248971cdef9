"""How to start the `work` process from a process that eventlet must not patch."""

import os
import sys
from collections.abc import Sequence


def command(names: Sequence[str]) -> list[str]:
    """The command that works for these services, given by name or as `module:ATTRIBUTE`."""
    return [sys.executable, "-m", "chassis.bus", *names]


def become_worker(names: Sequence[str]) -> None:
    """Turn this process into one that works for these services: same process id, environment and open files."""
    os.execv(sys.executable, command(names))  # noqa: S606 - a shell would change nothing but the process id
