"""What the gateway needs to know, read from the environment once, when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from chassis.errors import Invalid
from chassis.settings import Settings

SERVICES = ("identity", "customers", "leads")
"""The services of the suite that the schema speaks of. One without a target is answered for as unavailable."""


@dataclass(frozen=True)
class GatewaySettings:
    """Addresses and limits."""

    process: Settings
    listen: str
    """Where HTTP is served, `host:port`."""
    targets: Mapping[str, str]
    """Service → `host:port` of its gRPC server."""
    workers: int
    """Server processes that share the port; one if there is a monitor, which each process has for itself."""
    introspection: bool
    """Whether the schema may be asked for."""
    trusted_proxies: tuple[str, ...]
    """Addresses and networks of the proxies whose `X-Forwarded-For` is believed."""
    max_cost: int
    """The greatest cost of an operation: about the number of fields that it may answer with."""

    @classmethod
    def read(cls, process: Settings) -> "GatewaySettings":
        """Take the gateway's settings from the environment of a process. Raises Invalid, naming the variable."""
        env = process.environment
        targets = {name: env[f"{name.upper()}_TARGET"] for name in SERVICES if env.get(f"{name.upper()}_TARGET")}
        if "identity" not in targets:
            raise Invalid("MISSING_SETTING", "set the environment variable IDENTITY_TARGET", field="IDENTITY_TARGET")
        if process.monitor and _whole(env, "WORKERS", 1) > 1:
            raise Invalid(
                "INVALID_SETTING", "with MONITOR_LISTEN there is one worker: run several gateways", field="WORKERS"
            )
        return cls(
            process=process,
            listen=env.get("GATEWAY_LISTEN", "0.0.0.0:8080"),
            targets=targets,
            workers=_whole(env, "WORKERS", 1),
            introspection=env.get("GATEWAY_INTROSPECTION", "1") == "1",
            trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
            max_cost=_whole(env, "GATEWAY_MAX_COST", 20_000),
        )


def _networks(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    given = tuple(part.strip() for part in env.get(variable, "").split(",") if part.strip())
    for part in given:
        try:
            ip_network(part)
        except ValueError:
            raise Invalid(
                "INVALID_SETTING", f"{part!r} is no address or network such as 10.0.0.0/8", field=variable
            ) from None
    return given


def _whole(env: Mapping[str, str], variable: str, default: int) -> int:
    text = env.get(variable, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise Invalid("INVALID_SETTING", f"{variable} must be a whole number above 0", field=variable)
    return int(text)
