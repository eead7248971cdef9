"""Settings are values, read from the environment once, when a process starts. Secrets have no default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from chassis.encryption import SETTING as DATA_KEYS
from chassis.encryption import DataKeys
from chassis.errors import Invalid


@dataclass(frozen=True)
class Settings:
    """What a process needs to know. Settings that differ per service are asked for by its name."""

    environment: Mapping[str, str] = field(repr=False)
    listen: str
    """Where the gRPC server listens, `host:port`."""
    monitor: str
    """Where `/livez`, `/readyz` and `/metrics` are served, `host:port`; empty for nowhere."""
    amqp_url: str = field(repr=False)
    gateway_secret: str = field(repr=False)
    """What the gateway proves by that it is the one that says who its clients are; see `chassis.origins`."""
    zone: ZoneInfo
    """The organisation's time zone until the organisation says otherwise: see `chassis.organisation`."""
    test_clock: bool
    """True if clients may move the business time. Never set in production."""
    trace_folder: str
    """Where finished spans are also written as files, for `make trace`; empty for nowhere."""
    trace_ratio: float
    """The share of calls that are traced."""
    log_format: str
    """`json` or `text`."""
    log_level: str
    server_threads: int
    """Calls that a server works on at once, and as many streams. Threads share one interpreter: more than a
    handful cost more than they bring."""
    pool_size: int
    """Database connections per process and database."""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings. Raises Invalid, naming the variable, for a value that cannot be used."""
        env = os.environ if environment is None else environment
        return cls(
            environment=env,
            listen=env.get("GRPC_LISTEN", "0.0.0.0:5051"),
            monitor=env.get("MONITOR_LISTEN", ""),
            amqp_url=env.get("AMQP_URL", ""),
            gateway_secret=env.get("GATEWAY_SECRET", ""),
            zone=_zone(env.get("ORGANISATION_ZONE", "Asia/Shanghai")),
            test_clock=env.get("TEST_CLOCK", "") == "1",
            trace_folder=env.get("TRACE_FOLDER", ""),
            trace_ratio=_number(env, "TRACE_RATIO", 1.0),
            log_format=env.get("LOG_FORMAT", "json"),
            log_level=env.get("LOG_LEVEL", "INFO"),
            server_threads=int(_number(env, "SERVER_THREADS", 6)),
            pool_size=int(_number(env, "POOL_SIZE", 8)),
        )

    def database_url(self, service: str) -> str:
        """Where a service's own database is, from `DATABASE_URL_{SERVICE}`."""
        return self._required(f"DATABASE_URL_{service.upper()}")

    def target(self, service: str) -> str:
        """Where another service's gRPC server is, `host:port`, from `{SERVICE}_TARGET`."""
        return self._required(f"{service.upper()}_TARGET")

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
