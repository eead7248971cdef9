"""What signing in is answered with, and sessions and identity providers, to messages and back."""

from uuid import UUID

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import make_name, parse_name, parse_optional_name
from crm.identity.v1 import auth_service_pb2, identity_provider_pb2, second_factor_service_pb2, session_service_pb2

from identity.mapping import MAXIMUM_ROLES, timestamp, token_pair
from identity.model import IdentityProvider, LoginSession, SignInMethod, UserMatching
from identity.tokens import TokenIssuer
from identity.usecases.complete_login import Challenge
from identity.usecases.create_identity_provider import ProviderDraft
from identity.usecases.enrol_totp import Enrolment
from identity.usecases.open_session import Admission

_METHODS = {
    SignInMethod.PASSWORD: session_service_pb2.SIGN_IN_METHOD_PASSWORD,
    SignInMethod.OIDC: session_service_pb2.SIGN_IN_METHOD_OIDC,
}
_MATCHINGS = {
    UserMatching.LINKED: identity_provider_pb2.USER_MATCHING_LINKED,
    UserMatching.EMAIL: identity_provider_pb2.USER_MATCHING_EMAIL,
    UserMatching.USERNAME: identity_provider_pb2.USER_MATCHING_USERNAME,
}
_MATCHING_OF = {value: key for key, value in _MATCHINGS.items()} | {
    identity_provider_pb2.USER_MATCHING_UNSPECIFIED: UserMatching.LINKED
}


def entry_to_proto(entry: Admission | Challenge, issuer: TokenIssuer) -> auth_service_pb2.TokenPair:
    """What a step of a login is answered with: tokens, or a challenge to go on with."""
    if isinstance(entry, Challenge):
        return auth_service_pb2.TokenPair(second_factor_challenge=entry.text)
    pair = token_pair(issuer.for_user(entry), entry.refresh_token)
    pair.second_factor_missing, pair.must_change_password = entry.limited, entry.must_change_password
    return pair


def session_to_proto(login: LoginSession, current: UUID | None) -> session_service_pb2.Session:
    """A session as its owner sees it."""
    return session_service_pb2.Session(
        name=login.name,
        agent=login.agent,
        address=login.address,
        method=_METHODS[SignInMethod(login.method)],
        second_factor=login.second_factor,
        current=login.id == current,
        create_time=timestamp(login.create_time),
        last_use_time=timestamp(login.last_use_time),
        expire_time=timestamp(login.expire_time),
    )


def enrolment_to_proto(enrolment: Enrolment) -> second_factor_service_pb2.TotpEnrolment:
    """What an authenticator app needs."""
    return second_factor_service_pb2.TotpEnrolment(
        uri=enrolment.uri, secret=enrolment.secret, expire_time=timestamp(enrolment.expire_time)
    )


def provider_to_proto(provider: IdentityProvider) -> identity_provider_pb2.IdentityProvider:
    """An identity provider as administrators see it: without its secret."""
    return identity_provider_pb2.IdentityProvider(
        name=provider.name,
        display_name=provider.display_name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        scopes=provider.scopes,
        redirect_uris=provider.redirect_uris,
        matching=_MATCHINGS[UserMatching(provider.matching)],
        email_domains=provider.email_domains,
        auto_provision=provider.auto_provision,
        default_department=make_name("departments", provider.default_department_id),
        default_roles=[make_name("roles", key) for key in provider.default_role_ids],
        second_factor_trusted=provider.second_factor_trusted,
        disabled=provider.disabled,
        etag=etag(provider.version),
        create_time=timestamp(provider.create_time),
        update_time=timestamp(provider.update_time),
    )


def provider_draft(message: identity_provider_pb2.IdentityProvider) -> ProviderDraft:
    """What a client says of an identity provider."""
    if message.matching not in _MATCHING_OF:
        raise Invalid("INVALID_MATCHING", "there is no such way to know a person", field="matching")
    if len(message.default_roles) > MAXIMUM_ROLES:
        raise Invalid("TOO_MANY_ROLES", f"a user holds at most {MAXIMUM_ROLES} roles", field="default_roles")
    return ProviderDraft(
        display_name=message.display_name,
        issuer=message.issuer,
        client_id=message.client_id,
        client_secret=message.client_secret,
        scopes=tuple(message.scopes),
        redirect_uris=tuple(message.redirect_uris),
        matching=_MATCHING_OF[message.matching],
        email_domains=tuple(message.email_domains),
        auto_provision=message.auto_provision,
        default_department_id=parse_optional_name(
            "departments", message.default_department, field="default_department"
        ),
        default_role_ids=tuple(
            parse_name("roles", role, field="default_roles") for role in dict.fromkeys(message.default_roles)
        ),
        second_factor_trusted=message.second_factor_trusted,
        disabled=message.disabled,
    )
