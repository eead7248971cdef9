"""What an installation begins with: the root department, the roles, the administrator, the suite's own clients."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from chassis import audit
from chassis.callers import Reach, service_caller
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.organisation import DEFAULT_WEEK
from chassis.service import Runtime
from sqlalchemy import exists, select

from identity import passwords
from identity.company import announce, window_texts
from identity.grants import RoleGrant
from identity.locks import lock_bootstrap, lock_tree
from identity.model import (
    LOCALES,
    ORGANISATION_NAME,
    Client,
    Department,
    OrganisationProfile,
    Role,
    StatutoryCalendar,
    User,
)
from identity.password_rules import PasswordRules
from identity.policy import bump_policy
from identity.role_templates import ADMINISTRATOR, TEMPLATES
from identity.secret_tokens import digest, matches
from identity.usecases.create_client import SERVICE_PREFIX, ClientDraft, add_client
from identity.usecases.create_department import DepartmentDraft, add_department
from identity.usecases.create_role import add_role
from identity.usecases.create_user import UserDraft, create_user

ADMINISTRATOR_NAME = "admin"
MINIMUM_SECRET = 16
_SECRET_VARIABLE = "SERVICE_CLIENT_SECRET_"  # noqa: S105 - the name of a variable
_SERVICE_GRANTS = (RoleGrant("policy.read", Reach.ALL),)


def bootstrap(runtime: Runtime) -> None:
    """Create what is missing. Running it again changes nothing, save that services get their present secrets.

    Raises Invalid for a password or a secret in the environment that is too weak.
    """
    passwords.use_cost_of(runtime.settings)
    environment = runtime.settings.environment
    password = environment.get("BOOTSTRAP_ADMIN_PASSWORD", "")
    if password:
        passwords.check_password(password, ADMINISTRATOR_NAME, PasswordRules(), field="BOOTSTRAP_ADMIN_PASSWORD")
    with runtime.database.write(service_caller(runtime.database.service)) as session:
        lock_bootstrap(session)
        lock_tree(session)
        root = _root(session, environment.get("ORGANISATION_NAME", "") or "总部")
        announce(session, _profile(session, root.display_name, runtime.settings.zone))
        administrator = _roles(session)
        if password and not session.scalar(select(exists().where(User.id.is_not(None)))):
            _administrator(session, root, administrator, password)
        for service, secret in _secrets(environment).items():
            _client(session, service, secret)


def _root(session: ServiceSession, name: str) -> Department:
    root = session.scalars(select(Department).where(Department.parent_id.is_(None))).one_or_none()
    return root or add_department(session, DepartmentDraft(name, None), None)


def _profile(session: ServiceSession, name: str, zone: ZoneInfo) -> OrganisationProfile:
    """The company's profile, with the working hours that services go by until they hear of it."""
    profile = session.scalars(select(OrganisationProfile).with_for_update()).one_or_none()
    if profile is None:
        profile = OrganisationProfile(
            display_name=name,
            locale=LOCALES[0],
            currency="CNY",
            time_zone=zone.key,
            fiscal_year_start_month=1,
            fiscal_year_start_day=1,
            first_day_of_week=1,
            statutory_calendar=StatutoryCalendar.CHINA.value,
            weekly={str(day + 1): window_texts(windows) for day, windows in DEFAULT_WEEK.items()},
            week_version=1,
            version=1,
            update_time=session.now,
        )
        session.add(profile)
        session.flush()
        audit.record(session, "organisation.create", ORGANISATION_NAME, None, profile.snapshot())
    return profile


def _roles(session: ServiceSession) -> Role:
    """The administrator role. The templates come with it, once: a company that deletes one does not want it back."""
    administrator = session.scalars(select(Role).where(Role.builtin)).one_or_none()
    if administrator is not None:
        return administrator
    bump_policy(session)
    for template in TEMPLATES:
        add_role(session, template, builtin=False)
    return add_role(session, ADMINISTRATOR, builtin=True)


def _administrator(session: ServiceSession, root: Department, role: Role, password: str) -> None:
    # Only a new installation hashes inside the transaction, while nobody else can use it.
    draft = UserDraft(ADMINISTRATOR_NAME, ADMINISTRATOR.display_name, root.id, role_ids=(role.id,))
    create_user(session, draft, passwords.hash_password(password))


def _secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets of the services by their client ids."""
    secrets = {}
    for variable, secret in sorted(environment.items()):
        if variable.startswith(_SECRET_VARIABLE) and secret:
            if len(secret) < MINIMUM_SECRET:
                raise Invalid("WEAK_SECRET", f"a secret needs at least {MINIMUM_SECRET} characters", field=variable)
            secrets[SERVICE_PREFIX + variable.removeprefix(_SECRET_VARIABLE).lower()] = secret
    return secrets


def _client(session: ServiceSession, client_id: str, secret: str) -> None:
    client = session.scalars(select(Client).where(Client.client_id == client_id)).one_or_none()
    if client is None:
        bump_policy(session)
        add_client(session, ClientDraft(client_id, client_id, _SERVICE_GRANTS), secret, builtin=True)
    elif not matches(client.secret_digest, secret):
        client.secret_digest = digest(secret)
        client.version += 1
        session.flush()
        audit.record(session, "client.rotate_secret", client.name, None, None)
