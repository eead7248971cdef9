"""Create an identity provider."""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id

from identity import queries
from identity.grants import ensure_may_give
from identity.locks import hold_tree
from identity.model import IdentityProvider, UserMatching, label
from identity.uniqueness import flush_unique
from identity.urls import check_url

DEFAULT_SCOPES = ("email", "profile")
MAXIMUM_ITEMS = 20
MAXIMUM_LENGTH = 1000
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
"""RFC 6749, 3.3."""
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


@dataclass(frozen=True)
class ProviderDraft:
    """What callers say of an identity provider."""

    display_name: str
    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    matching: UserMatching
    email_domains: tuple[str, ...]
    auto_provision: bool
    default_department_id: UUID | None
    default_role_ids: tuple[UUID, ...]
    second_factor_trusted: bool
    disabled: bool


def create_identity_provider(
    session: ServiceSession, draft: ProviderDraft, *, allow_local_http: bool
) -> IdentityProvider:
    """Add a provider whose users get no more by it than the caller may give."""
    session.caller.require_everything("identity_provider.create")
    hold_tree(session)
    provider = IdentityProvider(id=new_id(), version=1, create_time=session.now, update_time=session.now)
    apply(session, provider, draft, FIELDS, allow_local_http=allow_local_http)
    session.add(provider)
    flush_unique(session)
    audit.record(session, "identity_provider.create", provider.name, None, provider.snapshot())
    return provider


FIELDS = frozenset(ProviderDraft.__dataclass_fields__) - {"default_department_id", "default_role_ids"} | {
    "default_department",
    "default_roles",
}
"""What can be said of a provider, by the names of the contract."""


def apply(
    session: ServiceSession,
    provider: IdentityProvider,
    draft: ProviderDraft,
    paths: Set[str],
    *,
    allow_local_http: bool,
) -> None:
    """Set the fields at `paths` to what the draft says. Raises Invalid, naming the field; Denied for roles."""
    checked: dict[str, Callable[[], object]] = {
        "display_name": lambda: label(draft.display_name, field="display_name"),
        "issuer": lambda: check_url(draft.issuer, field="issuer", allow_local_http=allow_local_http),
        "client_id": lambda: _text(draft.client_id, "client_id"),
        "scopes": lambda: _scopes(draft.scopes),
        "redirect_uris": lambda: _redirect_uris(draft.redirect_uris),
        "matching": lambda: draft.matching.value,
        "email_domains": lambda: _domains(draft.email_domains),
        "auto_provision": lambda: draft.auto_provision,
        "second_factor_trusted": lambda: draft.second_factor_trusted,
        "disabled": lambda: draft.disabled,
    }
    for field, value in checked.items():
        if field in paths:
            setattr(provider, field, value())
    if "client_secret" in paths:
        place = IdentityProvider.place(provider.id)
        secret = draft.client_secret
        provider.client_secret = session.data_keys.seal(secret, place) if secret else None
    if paths & {"default_department", "default_roles", "auto_provision"}:
        _apply_defaults(session, provider, draft, paths)


def _apply_defaults(session: ServiceSession, provider: IdentityProvider, draft: ProviderDraft, paths: Set[str]) -> None:
    if "default_department" in paths:
        provider.default_department_id = draft.default_department_id
    if "default_roles" in paths:
        provider.default_role_ids = list(draft.default_role_ids)
    if provider.default_department_id is None:
        if provider.auto_provision:
            raise Invalid("REQUIRED", "name the department of new users", field="default_department")
        path = "/"
    else:
        path = queries.get_department(session, provider.default_department_id, field="default_department").path
    roles = queries.roles_to_give(session, provider.default_role_ids, field="default_roles")
    grants = [grant for role in roles for grant in role.grants]
    paths_of = queries.paths_of(session, grants, field="default_roles")
    # Whoever the provider lets in gets these roles: an id that nobody has stands for them.
    ensure_may_give(session.caller, [grant.resolve(paths_of) for grant in grants], UUID(int=0), path)


def _text(value: str, field: str) -> str:
    if not value.strip() or len(value) > MAXIMUM_LENGTH:
        raise Invalid("REQUIRED", f"{field} must be given, with at most {MAXIMUM_LENGTH} characters", field=field)
    return value.strip()


def _few(values: tuple[str, ...], field: str) -> None:
    if len(values) > MAXIMUM_ITEMS:
        raise Invalid("TOO_MANY_ITEMS", f"{field} holds at most {MAXIMUM_ITEMS}", field=field)


def _scopes(scopes: tuple[str, ...]) -> list[str]:
    _few(scopes, "scopes")
    for index, scope in enumerate(scopes):
        if not _SCOPE.fullmatch(scope):
            raise Invalid("INVALID_OIDC_SCOPE", "a scope is one word of ASCII", field=f"scopes[{index}]")
    return [scope for scope in dict.fromkeys(scopes or DEFAULT_SCOPES) if scope != "openid"]


def _redirect_uris(uris: tuple[str, ...]) -> list[str]:
    _few(uris, "redirect_uris")
    if not uris:
        raise Invalid("REQUIRED", "name the addresses that people may be sent back to", field="redirect_uris")
    for index, uri in enumerate(uris):
        parts = urlsplit(uri)
        if len(uri) > MAXIMUM_LENGTH or not parts.scheme or not (parts.netloc or parts.path) or parts.fragment:
            raise Invalid(
                "INVALID_REDIRECT_URI",
                "a redirect URI is absolute and has no fragment",
                field=f"redirect_uris[{index}]",
            )
        if parts.scheme in ("javascript", "data", "file", "vbscript"):
            raise Invalid("INVALID_REDIRECT_URI", "this scheme cannot be sent to", field=f"redirect_uris[{index}]")
    return list(dict.fromkeys(uris))


def _domains(domains: tuple[str, ...]) -> list[str]:
    _few(domains, "email_domains")
    found = []
    for index, domain in enumerate(domains):
        plain = domain.strip().lower().removeprefix("@")
        if not _DOMAIN.fullmatch(plain):
            raise Invalid(
                "INVALID_EMAIL_DOMAIN", "this is no domain such as example.com", field=f"email_domains[{index}]"
            )
        found.append(plain)
    return list(dict.fromkeys(found))
