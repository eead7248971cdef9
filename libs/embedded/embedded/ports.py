"""Free TCP ports for servers on this machine."""

import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"

# Below the range that systems hand out to outgoing connections (32768 and up on Linux), so that a port found
# free stays free until the server that it is meant for binds it.
LOWEST, HIGHEST = 20000, 32000


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
    for port in candidates:
        if port not in avoid and is_free(port, host):
            return port
    raise OSError(f"no TCP port from {LOWEST} to {HIGHEST} is free")


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether something answers on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
