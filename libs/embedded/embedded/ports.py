"""Free TCP ports for servers on this machine."""

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the range that systems hand out to outgoing connections (32768 and up on Linux), so that a port found
# free stays free until the server that it is meant for binds it.
LOWEST, HIGHEST = 20000, 32000

CHOSEN_SECONDS = 120.0
"""For so long a port that was chosen is chosen by no other process: its server may not have bound it yet."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: a connection that is still timing out does not hold a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(avoid: Collection[int] = (), host: str = LOOPBACK) -> int:
    """A port that nobody listens on and that is not one of `avoid`."""
    candidates = list(range(LOWEST, HIGHEST))
    random.shuffle(candidates)
    with _chosen_of_late() as chosen:
        candidates.sort(key=chosen.__contains__)  # where there is nothing else, these will do
        for port in candidates:
            if port not in avoid and is_free(port, host):
                chosen[port] = time.time()
                return port
    raise OSError(f"no TCP port from {LOWEST} to {HIGHEST} is free")


@contextmanager
def _chosen_of_late() -> Iterator[dict[int, float]]:
    """When which ports were chosen of late, to be added to while no other process of this user looks."""
    with Path(tempfile.gettempdir(), f"embedded-ports-{os.getuid()}").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = [words for line in file if len(words := line.split()) == 2]
        since = time.time() - CHOSEN_SECONDS
        chosen = {int(port): float(at) for port, at in lines if float(at) > since}
        yield chosen
        file.seek(0)
        file.truncate()
        file.writelines(f"{port} {at}\n" for port, at in chosen.items())


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether something answers on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
