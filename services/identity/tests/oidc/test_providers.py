"""Providers are managed, and kept to what is safe."""

from uuid import uuid4

import pytest
from crm.identity.v1 import department_service_pb2, identity_provider_pb2
from crm.identity.v1 import identity_provider_service_pb2 as admin_pb
from crm.identity.v1 import oidc_sign_in_service_pb2 as pb
from identity.testing import grant, outcome, refused
from identity.testing_oidc import (
    REDIRECT,
    add_provider,
    begin_sign_in,
    person_with_account,
    sign_in_by,
    update_provider,
)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"redirect_uris": []}, "REQUIRED"),
        ({"redirect_uris": ["/relative"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": ["https://crm.example.com/#a"]}, "INVALID_REDIRECT_URI"),
        ({"redirect_uris": [f"https://{n}.example.com" for n in range(21)]}, "TOO_MANY_ITEMS"),
        ({"scopes": ["two words"]}, "INVALID_OIDC_SCOPE"),
        ({"email_domains": ["no domain"]}, "INVALID_EMAIL_DOMAIN"),
        ({"client_id": " "}, "REQUIRED"),
        ({"display_name": ""}, "INVALID_DISPLAY_NAME"),
        ({"auto_provision": True}, "REQUIRED"),
        ({"matching": 99}, "INVALID_MATCHING"),
        ({"default_roles": [f"roles/{uuid4()}"]}, "UNKNOWN_ROLE"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(suite, provider, fields, reason):
    with refused("INVALID_ARGUMENT", reason):
        add_provider(suite, provider, **fields)


def test_a_provider_is_managed(suite, provider):
    registered = add_provider(suite, provider)
    assert not registered.client_secret
    with refused("ALREADY_EXISTS", "IDENTITY_PROVIDER_NAME_TAKEN"):
        add_provider(suite, provider, display_name=registered.display_name)
    with refused("ALREADY_EXISTS", "IDENTITY_PROVIDER_TAKEN"):
        add_provider(suite, provider, client_id=registered.client_id)
    get = admin_pb.GetIdentityProviderRequest(name=registered.name)
    assert suite.providers.GetIdentityProvider(get, metadata=suite.admin) == registered
    public = suite.oidc.ListSignInProviders(pb.ListSignInProvidersRequest(page_size=200)).providers
    assert (registered.name, registered.display_name) in [(each.name, each.display_name) for each in public]
    changed = update_provider(suite, registered, disabled=True)
    assert changed.etag != registered.etag
    public = suite.oidc.ListSignInProviders(pb.ListSignInProvidersRequest(page_size=200)).providers
    assert registered.name not in [each.name for each in public]
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        begin_sign_in(suite, registered)
    stale = admin_pb.DeleteIdentityProviderRequest(name=registered.name, etag=registered.etag, request_id=str(uuid4()))
    with refused("ABORTED", "STALE_ETAG"):
        suite.providers.DeleteIdentityProvider(stale, metadata=suite.admin)
    listed = admin_pb.ListIdentityProvidersRequest(page_size=200)
    assert changed in suite.providers.ListIdentityProviders(listed, metadata=suite.admin).identity_providers
    suite.providers.DeleteIdentityProvider(
        admin_pb.DeleteIdentityProviderRequest(name=registered.name, request_id=str(uuid4())), metadata=suite.admin
    )
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        suite.providers.GetIdentityProvider(get, metadata=suite.admin)
    actions = ["identity_provider.create", "identity_provider.update", "identity_provider.delete"]
    assert suite.audited(registered.name) == actions


def test_the_client_secret_is_sealed_and_kept_unless_it_is_given(suite, provider):
    registered = add_provider(suite, provider)
    update_provider(suite, registered, display_name=suite.unique("改名"))
    _, subject = person_with_account(suite, provider)
    sign_in_by(suite, provider, registered, subject)
    assert provider.credentials == [(registered.client_id, "told by the provider")]
    for table in ("identity_provider", "audit_entry", "idempotency_claim"):
        kept = " ".join(row[0] for row in suite.rows(f"SELECT {table}::text FROM {table}"))
        assert "told by the provider" not in kept
        assert b"told by the provider".hex() not in kept


def test_a_redirect_to_elsewhere_is_refused(suite, provider):
    registered = add_provider(suite, provider)
    for elsewhere in ("https://evil.example.com", f"{REDIRECT}/", ""):
        with refused("INVALID_ARGUMENT", "INVALID_REDIRECT_URI"):
            begin_sign_in(suite, registered, elsewhere)


def test_nobody_gives_by_a_provider_more_than_they_hold(suite, provider):
    _, manager = suite.somebody(grant("identity_provider.create"), grant("identity_provider.update"))
    role = suite.role(grant("role.delete"))
    draft = identity_provider_pb2.IdentityProvider(
        display_name="越权",
        issuer=provider.issuer,
        client_id="mine",
        redirect_uris=[REDIRECT],
        auto_provision=True,
        default_department=suite.root.name,
        default_roles=[role.name],
    )
    request = admin_pb.CreateIdentityProviderRequest(identity_provider=draft, request_id=str(uuid4()))
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.providers.CreateIdentityProvider(request, metadata=manager)
    registered = add_provider(suite, provider)
    link = admin_pb.LinkIdentityRequest(
        identity_provider=registered.name, user=suite.admin_name, subject="me", request_id=str(uuid4())
    )
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.providers.LinkIdentity(link, metadata=manager)


def test_a_department_that_providers_name_can_be_deleted(suite, provider):
    department = suite.department()
    registered = add_provider(suite, provider, auto_provision=True, default_department=department.name)
    request = department_service_pb2.DeleteDepartmentRequest(name=department.name, request_id=str(uuid4()))
    suite.departments.DeleteDepartment(request, metadata=suite.admin)
    subject = provider.person("late", email="late@example.com", email_verified=True)
    assert outcome(lambda: sign_in_by(suite, provider, registered, subject)) == "IDENTITY_UNKNOWN"
