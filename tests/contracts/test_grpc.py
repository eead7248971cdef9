"""Every gRPC method refuses whom it should. Methods are found by their contracts: a new one is tested as it is."""

import time
from io import BytesIO
from uuid import uuid4

import jwt
import pytest
from chassis.testing import eventually
from chassis.tokens import SigningKeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from local_suite.methods import Method, all_methods, call, put, references
from local_suite.organisations import Organisation
from PIL import Image

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
    # Whoever fills in a form has no account. A key, a signature, the website or the mailed token says who it is.
    "/crm.leads.v1.CaptureService/CheckCaptureOrigin",
    "/crm.leads.v1.CaptureService/ConfirmOptIn",
    "/crm.leads.v1.CaptureService/Submit",
    # A telephone system signs what it tells.
    "/crm.leads.v1.CallService/ReceiveCallEvent",
    # Programs that read a calendar by its secret link sign in nowhere.
    "/crm.leads.v1.CalendarService/GetCalendarFeed",
}
UNSCOPED = {
    "departments",
    "roles",
    "assignmentRules",
    "clients",
    "partners",
    "customFields",
    "tags",
    "tiers",
    "identityProviders",
    "rfmRuns",
    "pools",
    "poolAllocations",
    "personalDataRequests",
    "playbooks",
    "escalationPolicies",
    "legalHolds",
    "leadConversions",
    "captureSources",
    "captureSubmissions",
    "automationRules",
}
"""Collections that whoever may read them sees whole."""
VALID = {
    "/crm.leads.v1.VisitService/ReviewVisit": {"approve": True},
    "/crm.leads.v1.CallService/SetCallOutcome": {"outcome": "BUSY"},
    "/crm.leads.v1.CallService/AssignCall": {"subject": "leads/0198c5a6-0000-7000-8000-000000000000"},
    "/crm.leads.v1.FollowUpService/LogFollowUp": {"follow_up": {"method": 1, "content": "好"}},
    "/crm.leads.v1.TaskService/AssignTask": {"assignee": "a user"},
    "/crm.leads.v1.TaskService/CancelTask": {"reason": "隐"},
    "/crm.leads.v1.TaskService/CreateTask": {"task": {"title": "隐"}},
    "/crm.customers.v1.ContactService/CreateContact": {"contact": {"display_name": "王"}},
    "/crm.identity.v1.UserService/ResetUserPassword": {"password": "Correct-horse-9"},
    "/crm.customers.v1.CustomerService/TransferCustomer": {"owner": "a user"},
    "/crm.customers.v1.CustomerTheatreService/AssignCustomerTheatre": {"owner": "a user"},
    "/crm.customers.v1.CustomerService/BatchTransferCustomers": {"owner": "a user"},
    "/crm.common.v1.HandoverService/PreviewHandover": {"service": "customers", "default_successor": "a user"},
    "/crm.customers.v1.PoolService/ReleaseCustomer": {"reason": "NO_BUDGET"},
    "/crm.customers.v1.PoolService/RecallCustomer": {"reason": "NO_BUDGET"},
    "/crm.customers.v1.IdentityNumberService/RevealIdentityNumber": {"reason": "核实"},
    "/crm.customers.v1.TierService/LockCustomerTier": {"reason": "重点"},
    "/crm.customers.v1.RecycleService/RequestRecycleExtension": {"days": 5, "reason": "出差"},
    "/crm.customers.v1.RecycleService/SetCustomerStanding": {"standing": {"source": "tickets", "version": 1}},
    "/crm.leads.v1.LifeService/ChangeLeadStatus": {"status": 2},
    "/crm.leads.v1.LeadDuplicateService/MergeLeads": {"other": f"leads/{uuid4()}"},
    "/crm.leads.v1.LeadService/TransferLead": {"owner": "a user"},
    "/crm.leads.v1.PlanService/RespondToPlan": {"response": 2},
    "/crm.leads.v1.LeadService/RejectLead": {"reason": "已有"},
    "/crm.leads.v1.AssignmentService/DeclineLead": {"reason": "太远"},
    "/crm.customers.v1.CustomerShareService/ShareCustomer": {"user": "a user", "level": 1},
}
"""What a request needs besides the record, to get as far as looking for it."""

guarded = pytest.mark.parametrize(
    "method", [method for method in METHODS if not method.access.public], ids=lambda method: method.path
)


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
    "tasks": ("createTask", "CreateTaskInput", lambda made: {"subject": made["leads"], "title": "隐"}),
    "exportJobs": ("exportCustomers", "ExportCustomersInput", lambda made: {}),
    "workExports": (
        "exportWorkLog",
        "ExportWorkLogInput",
        lambda made: {"criteria": {"fromDay": "2026-01-01", "untilDay": "2026-01-02"}},
    ),
}


SHARE = "mutation($input: ShareCustomerInput!) { shareCustomer(input: $input) { id } }"
ASSIGN = "assignCustomerTheatre"
ABSENT = "mutation($input: CreateLeadAbsenceInput!) { createLeadAbsence(input: $input) { id } }"
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


def visit_with_photo(admin, customer):
    """A visit at a customer, and a picture of it."""
    here = {"latitude": 31.2, "longitude": 121.5, "accuracyMetres": 20}
    visit = eventually(
        lambda: admin.answer(
            "mutation($input: StartVisitInput!) { startVisit(input: $input) { id } }",
            input={"subject": customer, "position": here},
        )["data"]["startVisit"]
    )["id"]
    picture = BytesIO()
    Image.new("RGB", (8, 8), tuple(uuid4().bytes[:3])).save(picture, "PNG")
    given = "$file: Upload!, $input: AddVisitPhotoInput!"
    document = f"mutation({given}) {{ addVisitPhoto(file: $file, input: $input) {{ photos {{ id }} }} }}"
    file = ("a.png", picture.getvalue())
    photos = admin.upload(document, "variables.file", file, file=None, input={"id": visit})["addVisitPhoto"]["photos"]
    return visit, photos[0]["id"]


def group_of_duplicates(admin):
    """A scan for duplicates, and a group that it found."""
    mark = uuid4().hex[:6]
    twins = {
        run(admin, "createCustomer", name=name)["id"] for name in (f"上海{mark}科技有限公司", f"{mark}科技（上海）公司")
    }
    # The file that was imported has brought about a scan, and there is one at a time.
    begin = "mutation { scanDuplicates { id } }"
    scan = eventually(lambda: (admin.answer(begin).get("data") or {}).get("scanDuplicates"), timeout=60)["id"]
    groups = "{ duplicateGroups(first: 200) { nodes { id members { customerId } } } }"

    def found():
        nodes = admin.run(groups)["duplicateGroups"]["nodes"]
        return next((one["id"] for one in nodes if {each["customerId"] for each in one["members"]} == twins), None)

    return scan, eventually(found, timeout=60)


@pytest.fixture(scope="module")
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
    document = "mutation($file: Upload!) { importLeads(file: $file) { id } }"
    file = ("隐.csv", f"公司名称\n隐{uuid4().hex}\n".encode())
    made["leadImportJobs"] = admin.upload(document, "variables.file", file, file=None)["importLeads"]["id"]
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
    follower, _ = organisation.user(organisation.department("战区", theatre=True))
    following = f"mutation($input: AssignCustomerTheatreInput!) {{ {ASSIGN}(input: $input) {{ id }} }}"
    wanted = {"customerId": made["customers"], "ownerId": follower}
    made["customerTheatres"] = eventually(lambda: admin.answer(following, input=wanted)["data"][ASSIGN])["id"]
    leaver, _ = organisation.user(organisation.department("离职"))
    leaving = {"userId": leaver, "plan": {"defaultSuccessorId": made["users"]}}
    offboard = "mutation($input: OffboardUserInput!) { offboardUser(input: $input) { id } }"
    made["offboardings"] = admin.run(offboard, input=leaving)["offboardUser"]["id"]
    times = {"startTime": "2026-01-01T02:00:00Z", "endTime": "2026-01-01T03:00:00Z"}
    made["plans"] = run(admin, "createPlan", "plan { id }", kind="OTHER", title="隐", **times)["plan"]["id"]
    made["tierRuns"] = run(admin, "evaluateTiers")["id"]
    made["leadCapacities"] = made["users"].replace("users", "leadCapacities")
    away = {"userId": made["users"], "startTime": "2020-01-01T00:00:00Z", "endTime": "2020-01-02T00:00:00Z"}
    made["leadAbsences"] = eventually(lambda: admin.answer(ABSENT, input=away)["data"]["createLeadAbsence"])["id"]
    unowned = run(admin, "createLead", companyName=f"隐{uuid4().hex}", unowned=True)["id"]
    made["leadAssignments"] = run(admin, "assignLeads", "assignments { id }", ids=[unowned])["assignments"][0]["id"]
    batch = run(admin, "startCustomerBatch", action="ADD_TAGS", ids=[made["customers"]], tags=["隐"])
    made["customerBatches"] = batch["id"]
    made["visits"], made["visitPhotos"] = visit_with_photo(admin, made["customers"])
    made["calls"] = run(admin, "dial", subject=made["leads"], phone="13800138000")["id"]
    one, other = (run(admin, "createCustomer", name=f"隐{uuid4().hex}")["id"] for _ in range(2))
    made["customerMerges"] = run(admin, "mergeCustomers", customerId=one, otherIds=[other])["id"]
    between = {"customerId": one, "relatedId": made["customers"], "kind": "PARTNER"}
    made["customerRelations"] = run(admin, "createCustomerRelation", **between)["id"]
    made["duplicateScanJobs"], made["duplicateGroups"] = group_of_duplicates(admin)
    return made


@pytest.fixture(scope="module")
def narrow_claims(anyone, suite):
    """The claims of a user who holds every permission, for their own records only."""
    admin = anyone.sign_in("admin", suite.admin_password)
    organisation = Organisation(admin)
    role = organisation.role("SELF", *sorted({m.access.permission for m in METHODS if m.access.permission}))
    token = organisation.user(organisation.department("独"), role)[1].token
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def narrow(narrow_claims, keys):
    """The user's token, which does not expire however long all the tests take."""
    return keys.sign({**narrow_claims, "exp": time.time() + 600})


def told(outcome, name):
    """The answer, as far as it does not just repeat what was asked."""
    return str(outcome.answer).replace(name, "…")


COLLEAGUES = {
    ("assignee",),
    ("task", "assignee"),
    ("owner",),
    ("customer", "owner"),
    ("lead", "owner"),
    ("department", "head"),
    ("partner", "manager"),
}
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
