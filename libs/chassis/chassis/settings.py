"""Settings are values, read from the environment once, when a process starts. Secrets have no default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from chassis.certificates import CertificateFiles
from chassis.encryption import SETTING as DATA_KEYS
from chassis.encryption import DataKeys
from chassis.errors import Invalid
from chassis.written import SETTING as STRICT_AUDIT


@dataclass(frozen=True)
class Settings:
    """What a process needs to know. Settings that differ per service are asked for by its name."""

    environment: Mapping[str, str] = field(repr=False)
    listen: str
    """Where the gRPC server listens, `host:port`."""
    monitor: str
    """`MONITOR_LISTEN`: where `/livez`, `/readyz` and `/metrics` are served over HTTP, `host:port`; empty for nowhere.
    The same for `serve`, `work` and the gateway, which without it serves them on its public port. Probes go here: those
    of Kubernetes that speak gRPC do not speak TLS."""
    certificates: CertificateFiles | None
    """`TLS_CERTIFICATE_FILE`, `TLS_KEY_FILE` and `TLS_CA_FILE`, all or none: PEM files. With them gRPC is mutual TLS:
    servers take calls of clients alone whose certificate the CA signed, and clients show the same certificate and
    want the server's signed for the name that they call. The files are looked at again and again: a renewed
    certificate holds for new connections without a restart. See also `tls_name`."""
    amqp_url: str = field(repr=False)
    """`AMQP_URL`: the broker, `amqp://` or `amqps://`. Several nodes of a cluster are separated by `;`: who cannot
    reach one takes the next. `file:///path` names a file that holds it and is read for every new connection.
    `?cacertfile=/path` names the CA of the broker's certificate. See `chassis.bus.nodes`."""
    gateway_secret: str = field(repr=False)
    """What the gateway proves by that it is the one that says who its clients are; see `chassis.origins`."""
    zone: ZoneInfo
    """The organisation's time zone until the organisation says otherwise: see `chassis.organisation`."""
    test_clock: bool
    """True if clients may move the business time. Never set in production."""
    strict_audit: bool
    """True if a call fails that writes without an audit entry, as in tests; else it is counted and logged."""
    trace_folder: str
    """Where finished spans are also written as files, for `make trace`; empty for nowhere."""
    trace_ratio: float
    """The share of calls that are traced."""
    log_format: str
    """`json` or `text`."""
    log_level: str
    server_threads: int
    """Calls that a server works on at once for each service that it hosts, and streams for all of them. Threads share
    one interpreter: more than a handful cost more than they bring."""
    pool_size: int
    """Database connections per process and database."""
    connection_age_seconds: float
    """`MAX_CONNECTION_AGE_SECONDS`: about how long a gRPC server keeps a connection before it asks the client to make
    a new one, by which clients find replicas that are new. Calls under way are not cut off."""
    drain_seconds: float
    """`DRAIN_SECONDS`: how long `serve` and the gateway go on to take calls after SIGTERM, while they say that they are
    not ready, so that nobody who learns of it late is refused. The suite's own clients learn of it at once;
    load balancers take as long as their endpoints take to follow (5 on Kubernetes)."""
    stop_seconds: float
    """`STOP_SECONDS`: how long calls under way may then go on. A pod's grace period must be longer than both."""
    hang_seconds: float
    """`HANG_SECONDS`: `/livez` of `work` fails when one of its loops has made no progress for so long; 0 for never.
    A database or broker that is away is waited for and is no hang."""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings. Raises Invalid, naming the variable, for a value that cannot be used."""
        env = os.environ if environment is None else environment
        return cls(
            environment=env,
            listen=env.get("GRPC_LISTEN", "0.0.0.0:5051"),
            monitor=env.get("MONITOR_LISTEN", ""),
            certificates=_certificates(env),
            amqp_url=env.get("AMQP_URL", ""),
            gateway_secret=env.get("GATEWAY_SECRET", ""),
            zone=_zone(env.get("ORGANISATION_ZONE", "Asia/Shanghai")),
            test_clock=env.get("TEST_CLOCK", "") == "1",
            strict_audit=env.get(STRICT_AUDIT, "") == "1",
            trace_folder=env.get("TRACE_FOLDER", ""),
            trace_ratio=_number(env, "TRACE_RATIO", 1.0),
            log_format=env.get("LOG_FORMAT", "json"),
            log_level=env.get("LOG_LEVEL", "INFO"),
            server_threads=int(_number(env, "SERVER_THREADS", 5)),
            pool_size=int(_number(env, "POOL_SIZE", 8)),
            connection_age_seconds=_number(env, "MAX_CONNECTION_AGE_SECONDS", 60),
            drain_seconds=_number(env, "DRAIN_SECONDS", 0.5),
            stop_seconds=_number(env, "STOP_SECONDS", 12),
            hang_seconds=_number(env, "HANG_SECONDS", 900),
        )

    def database_url(self, service: str) -> str:
        """Where a service's own database is, from `DATABASE_URL_{SERVICE}`: `postgresql://…`.

        `file:///path` names a file with such URLs, one a line, which is read for every new connection: they are tried
        in order, so that a password can be changed while everything runs. If there is a direct URL besides, this one
        is a pooler's in transaction mode (PgBouncer), and none but `serve` uses it.
        """
        return self._required(f"DATABASE_URL_{service.upper()}")

    def direct_database_url(self, service: str) -> str:
        """Where the database itself is, past any pooler, from `DATABASE_DIRECT_URL_{SERVICE}`; by default the same.

        For what needs a session of its own: `work` (LISTEN, the relay's lock), jobs, `migrate` and commands.
        """
        return self.environment.get(f"DATABASE_DIRECT_URL_{service.upper()}") or self.database_url(service)

    def standby_url(self, service: str) -> str:
        """Where standbys of a service's database are, from `DATABASE_READ_URL_{SERVICE}`, in the same form; empty for
        none. Exports read there: see `chassis.standby`."""
        return self.environment.get(f"DATABASE_READ_URL_{service.upper()}", "")

    def is_pooled(self, service: str) -> bool:
        """Whether `database_url` is that of a pooler in transaction mode."""
        return self.direct_database_url(service) != self.database_url(service)

    def target(self, service: str) -> str:
        """Where another service's gRPC servers are, from `{SERVICE}_TARGET`: `host:port`, or what else gRPC resolves.

        Calls are spread over all addresses that the name has: name a headless service, so that these are the pods'.
        `ipv4:10.0.0.1:5051,10.0.0.2:5051` lists them.
        """
        return self._required(f"{service.upper()}_TARGET")

    def tls_name(self, service: str) -> str:
        """The name that another service's certificate must be for, from `{SERVICE}_TLS_NAME`; empty for the host of
        its target."""
        return self.environment.get(f"{service.upper()}_TLS_NAME", "")

    def client_secret(self, service: str) -> str:
        """The secret a service signs in to identity with, from `SERVICE_CLIENT_SECRET_{SERVICE}`."""
        return self._required(f"SERVICE_CLIENT_SECRET_{service.upper()}")

    def data_keys(self) -> DataKeys:
        """What values are sealed with, from `DATA_KEYS`; a service that seals none needs none."""
        return DataKeys.parse(self.environment.get(DATA_KEYS, ""))

    def _required(self, variable: str) -> str:
        value = self.environment.get(variable, "")
        if not value:
            raise Invalid("MISSING_SETTING", f"set the environment variable {variable}", field=variable)
        return value


def _certificates(env: Mapping[str, str]) -> CertificateFiles | None:
    variables = ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE", "TLS_CA_FILE")
    given = [env.get(variable, "") for variable in variables]
    if not any(given):
        return None
    for variable, path in zip(variables, given, strict=True):
        if not path:
            raise Invalid("MISSING_SETTING", f"set {variable} as well: TLS needs all three files", field=variable)
    return CertificateFiles(*map(Path, given))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid(
            "INVALID_SETTING", f"{name!r} is no IANA time zone such as Asia/Shanghai", field="ORGANISATION_ZONE"
        ) from None


def _number(env: Mapping[str, str], variable: str, default: float) -> float:
    try:
        return float(env.get(variable, default))
    except ValueError:
        raise Invalid("INVALID_SETTING", f"{variable} must be a number", field=variable) from None
