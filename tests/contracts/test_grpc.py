"""Every gRPC method refuses whom it should. Methods are found by their contracts: a new one is tested as it is."""

import time
from uuid import uuid4

import grpc
import pytest
from chassis.testing import eventually
from chassis.tokens import SigningKeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from local_suite.methods import Method, all_methods, call, put, references
from local_suite.organisations import Organisation

METHODS = all_methods()
PUBLIC = {
    # Whoever sets a password by a link cannot be signed in yet; the link's token says who it is.
    "/crm.identity.v1.AccountService/ActivateAccount",
    "/crm.identity.v1.AccountService/CompletePasswordReset",
    "/crm.identity.v1.AccountService/GetPasswordRules",
    "/crm.identity.v1.AccountService/RequestPasswordReset",
    "/crm.identity.v1.AuthService/CompleteLogin",
    "/crm.identity.v1.AuthService/GetKeySet",
    "/crm.identity.v1.AuthService/IssueClientToken",
    "/crm.identity.v1.AuthService/Login",
    "/crm.identity.v1.AuthService/Logout",
    "/crm.identity.v1.AuthService/RefreshTokens",
    "/crm.identity.v1.OidcSignInService/BeginOidcSignIn",
    "/crm.identity.v1.OidcSignInService/CompleteOidcSignIn",
    "/crm.identity.v1.OidcSignInService/ListSignInProviders",
}
UNSCOPED = {
    "departments",
    "roles",
    "clients",
    "partners",
    "customFields",
    "tags",
    "identityProviders",
    "rfmRuns",
    "pools",
    "poolAllocations",
    "personalDataRequests",
    "legalHolds",
}
"""Collections that whoever may read them sees whole."""
VALID = {
    "/crm.leads.v1.FollowUpService/LogFollowUp": {"follow_up": {"method": 1, "content": "好"}},
    "/crm.customers.v1.ContactService/CreateContact": {"contact": {"display_name": "王"}},
    "/crm.identity.v1.UserService/ResetUserPassword": {"password": "Correct-horse-9"},
    "/crm.customers.v1.CustomerService/TransferCustomer": {"owner": "a user"},
    "/crm.customers.v1.CustomerService/BatchTransferCustomers": {"owner": "a user"},
    "/crm.common.v1.HandoverService/PreviewHandover": {"service": "customers", "default_successor": "a user"},
    "/crm.customers.v1.PoolService/ReleaseCustomer": {"reason": "NO_BUDGET"},
    "/crm.customers.v1.PoolService/RecallCustomer": {"reason": "NO_BUDGET"},
    "/crm.customers.v1.IdentityNumberService/RevealIdentityNumber": {"reason": "核实"},
    "/crm.customers.v1.RecycleService/RequestRecycleExtension": {"days": 5, "reason": "出差"},
    "/crm.customers.v1.RecycleService/SetCustomerStanding": {"standing": {"source": "tickets", "version": 1}},
    "/crm.leads.v1.LeadService/TransferLead": {"owner": "a user"},
    "/crm.leads.v1.LeadService/RejectLead": {"reason": "已有"},
    "/crm.customers.v1.CustomerShareService/ShareCustomer": {"user": "a user", "level": 1},
}
"""What a request needs besides the record, to get as far as looking for it."""

guarded = pytest.mark.parametrize(
    "method", [method for method in METHODS if not method.access.public], ids=lambda method: method.path
)


@pytest.fixture(scope="session")
def channels(suite):
    opened = {name: grpc.insecure_channel(suite.target(name)) for name in ("identity", "customers", "leads")}
    yield opened
    for channel in opened.values():
        channel.close()


@pytest.fixture(scope="session")
def claims():
    now = time.time()
    return {"sub": f"users/{uuid4()}", "iat": now, "exp": now + 600, "jti": str(uuid4()), "roles": [], "pv": 1}


@pytest.fixture(scope="session")
def keys(suite):
    return SigningKeys.from_pem(suite.environment["TOKEN_SIGNING_KEY"])


def test_only_these_methods_are_public():
    assert {method.path for method in METHODS if method.access.public} == PUBLIC


@guarded
def test_a_caller_without_a_good_token_is_refused(channels, keys, claims, method: Method):
    now = time.time()
    foreign = SigningKeys([Ed25519PrivateKey.generate()])
    tokens = {
        "MISSING_TOKEN": [None],
        "TOKEN_EXPIRED": [keys.sign({**claims, "iat": now - 700, "exp": now - 100})],
        "INVALID_TOKEN": [
            foreign.sign(claims, headers={"kid": keys.key_ids[0]}),
            foreign.sign(claims),
            keys.sign({**claims, "aud": "another"}),
            "eyJhbGciOiJub25lIn0.e30.",
            "nonsense",
        ],
    }
    for reason, given in tokens.items():
        for token in given:
            outcome = call(channels[method.service], method, method.request(), token)
            assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", reason)


@guarded
def test_a_caller_without_the_permission_is_refused(channels, keys, claims, method: Method):
    outcome = call(channels[method.service], method, method.request(), keys.sign(claims))
    if method.access.permission:
        assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    else:
        assert outcome.code != "UNAUTHENTICATED"


PARTNERS = {
    "/crm.leads.v1.LeadService/BatchGetLeads",
    "/crm.leads.v1.LeadService/CountLeads",
    "/crm.leads.v1.LeadService/GetLead",
    "/crm.leads.v1.LeadService/ListLeads",
    "/crm.leads.v1.LeadService/RegisterLead",
}
"""All that partners may do with the company's records, besides looking after their own account."""


def test_only_these_methods_are_open_to_partners():
    assert {method.path for method in METHODS if method.access.partners and method.access.permission} == PARTNERS


@guarded
def test_a_partner_is_refused_where_only_employees_are_let_in(channels, keys, claims, method: Method):
    token = keys.sign({**claims, "partner": f"partners/{uuid4()}"})
    outcome = call(channels[method.service], method, method.request(), token)
    refused = (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "EMPLOYEES_ONLY")
    assert refused is not method.access.partners


CREATE = {
    "savedViews": (
        "createSavedView",
        "CreateSavedViewInput",
        lambda made: {"entity": "customer", "name": f"隐{uuid4().hex}"},
    ),
    "customers": ("createCustomer", "CreateCustomerInput", lambda made: {"name": f"隐{uuid4().hex}"}),
    "contacts": ("createContact", "CreateContactInput", lambda made: {"customerId": made["customers"], "name": "隐"}),
    "followUps": (
        "logFollowUp",
        "LogFollowUpInput",
        lambda made: {"customerId": made["customers"], "method": "CALL", "content": "隐"},
    ),
    "leads": ("createLead", "CreateLeadInput", lambda made: {"companyName": f"隐{uuid4().hex}"}),
    "exportJobs": ("exportCustomers", "ExportCustomersInput", lambda made: {}),
}


SHARE = "mutation($input: ShareCustomerInput!) { shareCustomer(input: $input) { id } }"
TRANSFER = "mutation($input: TransferCustomerInput!) { transferCustomer(input: $input) { id } }"


def extension_of(admin, customer):
    """A request to keep a customer longer, of a pool that takes that customer alone."""
    name = admin.run("query($id: ID!) { customer(id: $id) { name } }", id=customer)["customer"]["name"]
    alone = {"condition": {"field": "name", "operator": "EQUAL", "values": [name]}}
    pool = {"name": f"隐{uuid4().hex[:8]}", "condition": alone, "precedence": 0, "rules": {"recycle": {"days": 3000}}}
    admin.run("mutation($input: CreatePoolInput!) { createPool(input: $input) { id } }", input=pool)
    ask = "mutation($input: RequestRecycleExtensionInput!) { requestRecycleExtension(input: $input) { id } }"
    wanted = {"customerId": customer, "days": 5, "reason": "隐"}
    return admin.run(ask, input=wanted)["requestRecycleExtension"]["id"]


def run(admin, mutation, selection="id", **values):
    """The answer of a mutation, whose input type is named after it."""
    type_name = f"{mutation[0].upper()}{mutation[1:]}Input"
    document = f"mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {selection} }} }}"
    return admin.run(document, input=values)[mutation]


def group_of_duplicates(admin):
    """A scan for duplicates, and a group that it found."""
    mark = uuid4().hex[:6]
    twins = {
        run(admin, "createCustomer", name=name)["id"] for name in (f"上海{mark}科技有限公司", f"{mark}科技（上海）公司")
    }
    scan = run(admin, "scanDuplicates")["id"]
    groups = "{ duplicateGroups(first: 200) { nodes { id members { customerId } } } }"

    def found():
        nodes = admin.run(groups)["duplicateGroups"]["nodes"]
        return next((one["id"] for one in nodes if {each["customerId"] for each in one["members"]} == twins), None)

    return scan, eventually(found, timeout=60)


@pytest.fixture(scope="session")
def hidden(anyone, suite):
    """A record of each scoped collection that only the administrator sees, once the services know of its owner."""
    admin = anyone.sign_in("admin", suite.admin_password)
    made = {"users": admin.run("{ me { id } }")["me"]["id"]}
    made["sessions"] = admin.run("{ mySessions(first: 1) { nodes { id } } }")["mySessions"]["nodes"][0]["id"]
    for collection, (mutation, type_name, values) in CREATE.items():
        document = f"mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ id }} }}"
        made[collection] = admin.run(document, input=values(made))[mutation]["id"]
    document = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
    file = ("隐.csv", f"客户名称\n隐{uuid4().hex}\n".encode())
    made["importJobs"] = admin.upload(document, "variables.file", file, file=None)["importCustomers"]["id"]
    progress = "subscription($id: ID!) { importProgress(id: $id) { state } }"
    with admin.subscribe(progress, id=made["importJobs"]) as states:
        *_, last = states
    assert last["importProgress"]["state"] == "SUCCEEDED"
    eventually(
        lambda: "errors" not in admin.answer(TRANSFER, input={"id": made["customers"], "ownerId": made["users"]})
    )
    made["recycleExtensions"] = extension_of(admin, made["customers"])
    organisation = Organisation(admin)
    colleague, _ = organisation.user(organisation.department("同事"))
    share = {"id": made["customers"], "userId": colleague, "level": "READ_ONLY"}
    shared = eventually(lambda: admin.answer(SHARE, input=share)["data"]["shareCustomer"])
    made["customerShares"] = shared["id"]
    leaver, _ = organisation.user(organisation.department("离职"))
    leaving = {"userId": leaver, "plan": {"defaultSuccessorId": made["users"]}}
    offboard = "mutation($input: OffboardUserInput!) { offboardUser(input: $input) { id } }"
    made["offboardings"] = admin.run(offboard, input=leaving)["offboardUser"]["id"]
    batch = run(admin, "startCustomerBatch", action="ADD_TAGS", ids=[made["customers"]], tags=["隐"])
    made["customerBatches"] = batch["id"]
    one, other = (run(admin, "createCustomer", name=f"隐{uuid4().hex}")["id"] for _ in range(2))
    made["customerMerges"] = run(admin, "mergeCustomers", customerId=one, otherIds=[other])["id"]
    made["duplicateScanJobs"], made["duplicateGroups"] = group_of_duplicates(admin)
    return made


@pytest.fixture(scope="session")
def narrow(anyone, suite):
    """The token of a user who holds every permission, for their own records only."""
    admin = anyone.sign_in("admin", suite.admin_password)
    organisation = Organisation(admin)
    role = organisation.role("SELF", *sorted({m.access.permission for m in METHODS if m.access.permission}))
    return organisation.user(organisation.department("独"), role)[1].token


def told(outcome, name):
    """The answer, as far as it does not just repeat what was asked."""
    return str(outcome.answer).replace(name, "…")


COLLEAGUES = {("owner",), ("customer", "owner"), ("lead", "owner"), ("department", "head"), ("partner", "manager")}
"""Fields that may name any colleague, visible or not: work is given to people whose records one need not see."""
POINTS = [
    (method, path, collection)
    for method in METHODS
    for path, collection in references(method)
    if path not in COLLEAGUES
]


@pytest.mark.parametrize(
    ("method", "path", "collection"), POINTS, ids=[f"{method.path}-{'.'.join(path)}" for method, path, _ in POINTS]
)
def test_a_hidden_record_cannot_be_told_from_a_missing_one(channels, hidden, narrow, method, path, collection):
    if collection in UNSCOPED:
        assert collection not in hidden
        return
    outcomes = []
    for name in (hidden[collection], f"{collection}/{uuid4()}"):
        request = method.request()
        for field, value in VALID.get(method.path, {}).items():
            part = getattr(request, field, None)
            if isinstance(value, dict):
                for inner, content in value.items():
                    setattr(part, inner, content)
            else:
                setattr(request, field, hidden["users"] if value == "a user" else value)
        put(request, path, name)
        outcome = call(channels[method.service], method, request, narrow)
        outcomes.append((outcome.code, outcome.reason, outcome.message.replace(name, "…"), told(outcome, name)))
    assert outcomes[0] == outcomes[1]
    if path == ("name",):
        assert outcomes[0][0] == "NOT_FOUND"
