"""Which processes run, in which order they start, and what each is told through its environment."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.bus import launch
from embedded.ports import LOOPBACK

from local_suite.credentials import Credentials
from local_suite.layout import SERVICES, Problem, RunFolder

GATEWAY_PORT = 8000


@dataclass(frozen=True)
class Options:
    """How a copy of the suite is to run."""

    split: bool = False
    """Each process of each service by itself, as in production, instead of all services in one."""
    test_clock: bool = False
    """Clients may move the business time."""
    sample: bool = True
    """Load the sample company when the suite is new."""
    port: int = 0
    """Where the gateway must listen; 0 for the first free one from 8000 on."""
    host: str = LOOPBACK
    """The address that the gateway listens on."""
    safe: bool = True
    """What is committed survives a crash of the machine. Tests do without."""

    @classmethod
    def from_environment(cls) -> "Options":
        """What `SPLIT`, `TEST_CLOCK`, `SAMPLE`, `PORT` and `HOST` say."""
        env = os.environ
        return cls(
            split=env.get("SPLIT", "") == "1",
            test_clock=env.get("TEST_CLOCK", "") == "1",
            sample=env.get("SAMPLE", "1") != "0",
            port=int(env.get("PORT") or 0),
            host=env.get("HOST") or LOOPBACK,
        )


@dataclass(frozen=True)
class Role:
    """A process of the suite, before it has ports."""

    name: str
    kind: str
    """`serve`, `work` or `gateway`."""
    services: tuple[str, ...]

    @property
    def port_names(self) -> tuple[str, ...]:
        """What it listens on, by the names that its ports are kept under."""
        monitor = f"{self.name}-monitor"
        return {"serve": (self.name, monitor), "work": (monitor,), "gateway": (self.name,)}[self.kind]

    @property
    def command(self) -> Sequence[str | Path]:
        """How it is started."""
        if self.kind == "work":
            return launch.command(self.services)
        if self.kind == "gateway":
            return [Path(sys.executable).with_name("gateway")]
        return [sys.executable, "-m", "local_suite", "serve-all", *self.services]


@dataclass(frozen=True)
class Process:
    """A process of the suite with all that it is told."""

    role: Role
    environment: Mapping[str, str]
    """What it is told beyond the environment that the suite is started in."""
    ready_url: str
    """Answers 200 when it is ready."""

    @property
    def name(self) -> str:
        """What it is called in commands, logs and the list of processes."""
        return self.role.name

    @property
    def fingerprint(self) -> str:
        """Changes with anything that the process is told, so that it is started anew."""
        told = json.dumps([[str(part) for part in self.role.command], dict(self.environment)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def roles(options: Options) -> list[Role]:
    """The processes, in the order of their start."""
    gateway = Role("gateway", "gateway", ())
    if not options.split:
        return [Role("serve", "serve", SERVICES), Role("work", "work", SERVICES), gateway]
    serving = [Role(f"{name}-serve", "serve", (name,)) for name in SERVICES]
    working = [Role(f"{name}-work", "work", (name,)) for name in SERVICES]
    return [*serving, *working, gateway]


def shared_environment(
    folder: RunFolder,
    options: Options,
    credentials: Credentials,
    ports: Mapping[str, int],
    databases: Mapping[str, str],
    amqp_url: str,
) -> dict[str, str]:
    """What all processes together, or a developer's shell, need to know. `databases`: service → URL."""
    serving = {name: role.name for role in roles(options) if role.kind == "serve" for name in role.services}
    return {
        **{f"DATABASE_URL_{name.upper()}": url for name, url in databases.items()},
        **{f"{name.upper()}_TARGET": f"{LOOPBACK}:{ports[role]}" for name, role in serving.items()},
        **{f"SERVICE_CLIENT_SECRET_{name.upper()}": secret for name, secret in credentials.clients.items()},
        "AMQP_URL": amqp_url,
        "TOKEN_SIGNING_KEY": credentials.token_signing_key,
        "GATEWAY_SECRET": credentials.gateway_secret,
        "DATA_KEYS": credentials.data_keys,
        # A provider on this machine can be tried out without a certificate.
        "OIDC_ALLOW_LOCAL_HTTP": "1",
        "BOOTSTRAP_ADMIN_PASSWORD": credentials.admin_password,
        "SAMPLE_PASSWORD": credentials.people_password,
        "GATEWAY_URL": gateway_url(options.host, ports["gateway"]),
        "PUBLIC_URL": os.environ.get("PUBLIC_URL") or gateway_url(options.host, ports["gateway"]),
        "TRACE_FOLDER": str(folder.traces),
        "OBJECT_STORE": os.environ.get("OBJECT_STORE") or folder.objects.resolve().as_uri(),
        **_telephones(credentials),
        **_mail(folder),
        "TEST_CLOCK": "1" if options.test_clock else "",
        # glibc keeps memory apart for up to sixteen threads otherwise, which small processes never fill.
        "MALLOC_ARENA_MAX": "2",
    }


def processes(options: Options, shared: Mapping[str, str], ports: Mapping[str, int]) -> list[Process]:
    """The processes with what each is told. By itself, a service learns no secret of another."""
    return [_process(role, options, shared, ports) for role in roles(options)]


def recorded(folder: RunFolder) -> list[Process]:
    """The processes as the suite was last brought up. Raises Problem if it never was."""
    options, shared = folder.read("options"), folder.read("environment")
    if not options or not shared:
        raise Problem("the suite was not started yet: run `make up` first")
    return processes(Options(**options), shared, folder.read("ports"))


def _process(role: Role, options: Options, shared: Mapping[str, str], ports: Mapping[str, int]) -> Process:
    told = {name: value for name, value in shared.items() if _concerns(role, name)}
    if role.kind == "gateway":
        told["GATEWAY_LISTEN"] = f"{options.host}:{ports['gateway']}"
        return Process(role, told, f"{shared['GATEWAY_URL']}/readyz")
    told["MONITOR_LISTEN"] = f"{LOOPBACK}:{ports[f'{role.name}-monitor']}"
    if role.kind == "serve":
        told["GRPC_LISTEN"] = f"{LOOPBACK}:{ports[role.name]}"
    return Process(role, told, f"http://{told['MONITOR_LISTEN']}/readyz")


def _concerns(role: Role, variable: str) -> bool:
    for prefix in ("DATABASE_URL_", "DATABASE_DIRECT_URL_", "DATABASE_READ_URL_", "SERVICE_CLIENT_SECRET_"):
        if variable.startswith(prefix):
            return variable.removeprefix(prefix).lower() in role.services
    if variable == "TOKEN_SIGNING_KEY":
        return "identity" in role.services
    if variable == "DATA_KEYS":
        return role.kind != "gateway"
    return variable not in ("BOOTSTRAP_ADMIN_PASSWORD", "SAMPLE_PASSWORD", "GATEWAY_URL")


def _telephones(credentials: Credentials) -> dict[str, str]:
    """The telephone system that the environment names; without one, people dial themselves, and calls can be told of by
    whoever knows the secret."""
    own = hashlib.sha256(f"telephones {credentials.gateway_secret}".encode()).hexdigest()
    return {
        "DIALLER_SECRET": os.environ.get("DIALLER_SECRET") or own,
        **({"DIALLER_URL": os.environ["DIALLER_URL"]} if os.environ.get("DIALLER_URL") else {}),
    }


def _mail(folder: RunFolder) -> dict[str, str]:
    """The mail server that the environment names; without one, mails become files."""
    given = {name: os.environ.get(name, "") for name in ("SMTP_URL", "MAIL_FROM", "MAIL_FROM_NAME")}
    return given if given["SMTP_URL"] else {**given, "MAIL_FOLDER": str(folder.mails)}


def gateway_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the gateway."""
    return f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not listened on
