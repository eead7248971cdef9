"""Every GraphQL operation refuses whom it should. Operations are found in the schema: a new one is tested as it is."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
from chassis.tokens import SigningKeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    build_schema,
    get_named_type,
    is_leaf_type,
)
from local_suite.graphql import GraphQLClient, GraphQLError

SCHEMA = build_schema((Path(__file__).parents[2] / "gateway/gateway/schema.graphql").read_text())
PUBLIC = {
    "login",
    "refreshTokens",
    "logout",
    "issueClientToken",
    "activateAccount",
    "requestPasswordReset",
    "completePasswordReset",
    "passwordRules",
    "completeLogin",
    "signInProviders",
    "beginOidcSignIn",
    "completeOidcSignIn",
}
COLLECTIONS = {
    "assignmentRule": "assignmentRules",
    "leadCapacity": "leadCapacities",
    "leadAbsences": "users",
    "deleteLeadAbsence": "leadAbsences",
    "leadImport": "leadImportJobs",
    "eCustomerRelation": "customerRelations",
    "eRecycleExtension": "recycleExtensions",
    "tRecycleExtension": "customers",
    "identityProvider": "identityProviders",
    "personalDataRequest": "personalDataRequests",
    "legalHold": "legalHolds",
    "revokeSession": "sessions",
    "savedView": "savedViews",
    "task": "tasks",
    "playbook": "playbooks",
    "escalationPolicy": "escalationPolicies",
    "captureSource": "captureSources",
    "captureSecret": "captureSources",
    "captureFeed": "captureSources",
    "feedPolls": "captureSources",
    "submission": "captureSubmissions",
    "automationRule": "automationRules",
    "lead": "leads",
    "partner": "partners",
    "contact": "contacts",
    "unshareCustomer": "customerShares",
    "endCustomerTheatre": "customerTheatres",
    "followUp": "followUps",
    "user": "users",
    "department": "departments",
    "role": "roles",
    "client": "clients",
    "customField": "customFields",
    "offboarding": "offboardings",
    "import": "importJobs",
    "workExport": "workExports",
    "export": "exportJobs",
    "Plan": "plans",
    "deleteTag": "tags",
    "updateTag": "tags",
    "tierRun": "tierRuns",
    "updateTier": "tiers",
}
SCALARS = {
    "String": "x",
    "Int": 1,
    "BigInt": 1,
    "Float": 1.0,
    "Boolean": False,
    "DateTime": "2026-01-01T00:00:00Z",
    "Date": "2026-01-01",
    "JSON": {},
    "FilterValue": "x",
}


def operations(kind: str):
    root = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
    return [(kind, name, field) for name, field in root[kind].fields.items() if name not in PUBLIC]


def identifier(operation: str) -> str:
    """An id of the collection that an operation is about."""
    words = operation[0].lower() + operation[1:]
    found = [plural for word, plural in COLLECTIONS.items() if word.lower() in words.lower()]
    return f"{found[0] if found else 'customers'}/{uuid4()}"


def value(type_, operation: str):
    """A value of an input type: as little as it takes."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        return []
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        required = {key: field for key, field in type_.fields.items() if isinstance(field.type, GraphQLNonNull)}
        if type_.is_one_of:
            key, field = next(iter(type_.fields.items()))
            return {key: value(field.type, operation)}
        return {key: value(field.type, operation) for key, field in required.items()}
    return identifier(operation) if type_.name == "ID" else SCALARS[type_.name]


def document(kind: str, name: str, field) -> tuple[str, dict]:
    """The least operation that asks for a field."""
    required = {key: argument for key, argument in field.args.items() if isinstance(argument.type, GraphQLNonNull)}
    declared = ", ".join(f"${key}: {argument.type}" for key, argument in required.items())
    given = ", ".join(f"{key}: ${key}" for key in required)
    leaf = is_leaf_type(get_named_type(field.type))
    text = (
        f"{kind} Op{f'({declared})' if declared else ''} {{ "
        f"{name}{f'({given})' if given else ''} {'' if leaf else '{ __typename }'} }}"
    )
    uploads = {key for key, argument in required.items() if get_named_type(argument.type).name == "Upload"}
    values = {key: None if key in uploads else value(argument.type, name) for key, argument in required.items()}
    return text, values


def outcome(client: GraphQLClient, kind: str, name: str, field) -> set[tuple[str, str]]:
    """The codes and reasons that an operation is refused with."""
    text, values = document(kind, name, field)
    try:
        if kind == "subscription":
            with client.subscribe(text, **values) as answers:
                next(answers)
        elif "$file" in text:
            client.upload(text, "variables.file", ("a.csv", "客户名称\n甲\n".encode()), **values)
        else:
            client.run(text, **values)
    except GraphQLError as error:
        return {(each["extensions"]["code"], each["extensions"]["reason"]) for each in error.errors}
    return set()


ALL = [each for kind in ("query", "mutation", "subscription") for each in operations(kind)]
every = pytest.mark.parametrize(("kind", "name", "field"), ALL, ids=[f"{kind}-{name}" for kind, name, _ in ALL])


@every
def test_a_caller_without_a_good_token_is_refused(suite, keys, claims, kind, name, field):
    now = time.time()
    foreign = SigningKeys([Ed25519PrivateKey.generate()])
    tokens = {
        "": "MISSING_TOKEN",
        keys.sign({**claims, "iat": now - 700, "exp": now - 100}): "TOKEN_EXPIRED",
        foreign.sign(claims, headers={"kid": keys.key_ids[0]}): "INVALID_TOKEN",
    }
    for token, reason in tokens.items():
        refused = outcome(GraphQLClient(suite.gateway_url, token), kind, name, field)
        assert refused == {("UNAUTHENTICATED", reason)}


OWN = {
    "me",
    "changePassword",
    "notifications",
    "organisation",
    "workingWeek",
    "specialDays",
    "workingDays",
    "myAccount",
    "updateMySettings",
    "savedView",
    "savedViews",
    "createSavedView",
    "updateSavedView",
    "deleteSavedView",
    "mySecondFactor",
    "mySessions",
    "beginTotpEnrolment",
    "confirmTotp",
    "renewRecoveryCodes",
    "disableTotp",
    "revokeSession",
}
"""What concerns nobody but the caller, or everybody alike, needs no permission."""


@every
def test_a_caller_without_permission_is_refused(suite, keys, claims, kind, name, field):
    if name in OWN:
        return
    refused = outcome(GraphQLClient(suite.gateway_url, keys.sign(claims)), kind, name, field)
    assert refused == {("PERMISSION_DENIED", "PERMISSION_DENIED")}
