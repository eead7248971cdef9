"""What a service is, for whoever runs it: a process of its own, or the one local process that hosts all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import ServiceDescriptor
from sqlalchemy.orm import DeclarativeBase

from chassis.db import Database
from chassis.settings import Settings

if TYPE_CHECKING:
    from chassis.bus.handlers import Subscription
    from chassis.explaining import Explainer, UserDirectory
    from chassis.handover import Handover
    from chassis.jobs import JobKind
    from chassis.personal_data import PersonalData
    from chassis.policy import Authority
    from chassis.resealing import Renewal
    from chassis.timers import Timer


@dataclass(frozen=True)
class Runtime:
    """What the running process gives a service to build its parts from."""

    settings: Settings
    database: Database


@dataclass(frozen=True)
class Servicer:
    """A gRPC service and the object that implements it."""

    descriptor: ServiceDescriptor
    implementation: object
    register: Callable[[Any, Any], None]
    """The generated `add_…Servicer_to_server`."""


@dataclass(frozen=True)
class ServiceCommand:
    """A command of a service's own: `<service> <group> <name>`."""

    group: str
    about_group: str
    name: str
    about: str
    run: Callable[[Runtime], int]
    """Does it and returns the exit code: 0 done, 1 could not be done or found something wrong."""


@dataclass(frozen=True)
class Service:
    """A service of the suite: its name and the parts that its processes are composed of."""

    name: str
    migrations: Path
    """The folder of its alembic migrations."""
    servicers: Callable[[Runtime], Sequence[Servicer]]
    """For `serve`."""
    subscriptions: Callable[[Runtime], "Sequence[Subscription]"] = lambda runtime: ()
    """For `work`: the events it handles."""
    timers: Callable[[Runtime], "Sequence[Timer]"] = lambda runtime: ()
    """For `work`: what it does by the clock."""
    jobs: Callable[[Runtime], "Sequence[JobKind]"] = lambda runtime: ()
    """For the job processes that `work` starts: long-running work on a user's behalf."""
    handover: "Handover | None" = None
    """What it hands over when somebody leaves. Its subscription and its job are among the parts above."""
    personal_data: "PersonalData | None" = None
    """What it holds about people. Its subscriptions are among the parts above."""
    explainers: Sequence["Explainer"] = ()
    """How the access to its records is explained, for `serve`."""
    wide: frozenset[str] = frozenset()
    """The permissions that its methods refuse to whoever does not reach everything: what they change concerns all."""
    users: Callable[[Runtime], "UserDirectory"] | None = None
    """Only of the service that knows users: what decides on their calls, read at the source."""
    authority: Callable[[Runtime], "Authority"] | None = None
    """Only of the service that signs tokens: its keys and policy, read at the source. Servers that do not host
    that service ask it over gRPC."""
    entities: type[DeclarativeBase] | None = None
    """The base of its entities. Their encrypted columns are sealed anew when the data keys change."""
    renewals: Sequence["Renewal"] = ()
    """What else hangs on the data keys."""
    commands: Sequence[ServiceCommand] = ()
    """What its command line offers besides what all have."""
    bootstrap: Callable[[Runtime], None] | None = None
    """Run by `migrate` after the migrations; must be safe to run again."""
