"""The ports of one copy of the suite: chosen free, kept, and kept clear of those of other copies."""

from collections.abc import Collection, Sequence

from embedded.ports import free_port, is_free

from local_suite.layout import Problem, RunFolder
from local_suite.plan import GATEWAY_PORT, Options

SERVERS = ("postgres", "rabbitmq")


def choose(folder: RunFolder, options: Options, names: Sequence[str], held: Collection[str]) -> dict[str, int]:
    """A port for each name. `held` are the names whose ports our own processes hold: these stay as they are.

    Others keep the port that they had before if it is still free. Raises Problem if the port that the user asked
    for is taken.
    """
    kept: dict[str, int] = folder.read("ports")
    ports = {name: kept[name] for name in names if name in held and name in kept}
    if options.port and ports.get("gateway") != options.port:
        ports.pop("gateway", None)
    for name in names:
        if name in ports:
            continue
        if name == "gateway":
            ports[name] = _gateway_port(options, kept.get(name, 0), ports.values())
        elif name in kept and kept[name] not in ports.values() and is_free(kept[name]):
            ports[name] = kept[name]
        else:
            ports[name] = free_port({*ports.values(), *kept.values()})
    folder.write("ports", {**kept, **ports})
    return ports


def _gateway_port(options: Options, kept: int, taken: Collection[int]) -> int:
    if options.port:
        if not is_free(options.port, options.host):
            raise Problem(f"port {options.port} is in use; name another with PORT=, or none and a free one is chosen")
        return options.port
    candidates = [*([kept] if kept else []), *range(GATEWAY_PORT, GATEWAY_PORT + 100)]
    free = (port for port in candidates if port not in taken and is_free(port, options.host))
    return next(free, 0) or free_port(taken)
