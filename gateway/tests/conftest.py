"""Other processes that the gateway talks to, as small real gRPC servers; and the gateway served over real sockets."""

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager

import grpc.aio
import httpx
import pytest
import uvicorn
from chassis.errors import Invalid, NotFound, Unauthenticated
from chassis.settings import Settings
from chassis.status import to_status
from crm.common.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    custom_field_pb2,
    job_pb2,
    test_clock_service_pb2,
    test_clock_service_pb2_grpc,
)
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    contact_service_pb2_grpc,
    custom_field_service_pb2,
    custom_field_service_pb2_grpc,
    customer_pb2,
    customer_service_pb2,
    customer_service_pb2_grpc,
    timeline_pb2,
    transfer_service_pb2_grpc,
)
from crm.identity.v1 import (
    account_pb2,
    auth_service_pb2,
    auth_service_pb2_grpc,
    department_pb2,
    department_service_pb2,
    department_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    settings_service_pb2_grpc,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2, follow_up_service_pb2_grpc
from gateway.app import make_app
from gateway.main import proxy_options
from gateway.settings import GatewaySettings
from google.protobuf.empty_pb2 import Empty
from grpc_status import rpc_status

TOKEN = "Bearer good"


def uuid(number):
    return f"00000000-0000-7000-8000-{number:012d}"


def make_customer(number):
    message = customer_pb2.Customer(
        name=f"customers/{uuid(number)}",
        kind=customer_pb2.CUSTOMER_KIND_COMPANY,
        display_name=f"上海华诚{number}",
        owner=f"users/{uuid(number % 5)}",
        owner_department=f"departments/{uuid(number % 2)}",
        status=customer_pb2.CUSTOMER_STATUS_WON,
        phones=["+8613800000000"],
        address=customer_pb2.Address(city="上海"),
        creator=f"clients/{uuid(1)}",
        etag="1",
    )
    message.create_time.FromJsonString("2026-01-31T08:00:00.5Z")
    message.custom_fields.update({"region": "华东", "seats": 12})
    return message


class World:
    """What the other processes know, how often each method was called, and how they are to misbehave."""

    def __init__(self):
        self.calls = Counter()
        self.metadata = {}
        self.requests = []
        self.customers = {c.name: c for c in map(make_customer, range(120))}
        self.uploaded = b""
        self.jobs = []
        self.switches = []
        self.logs = {"identity": [], "customers": [], "leads": []}
        self.raising = {}
        self.hanging = {}

    def check(self, method, request, context):
        self.calls[method] += 1
        self.requests.append(request)
        self.metadata[method] = dict(context.invocation_metadata())
        if method in self.raising:
            raise self.raising[method]
        if method not in PUBLIC and self.metadata[method].get("authorization") != TOKEN:
            raise Unauthenticated("INVALID_TOKEN", "sign in first")


PUBLIC = {"Login", "GetKeySet"}


def answering(world, service):
    """A servicer's methods from plain functions: counted, checked, their errors told as services tell them."""

    def decorate(cls):
        for name, function in list(vars(cls).items()):
            if not name.startswith("_"):
                setattr(cls, name, _wrap(world, name, function, service))
        return cls

    return decorate


def _wrap(world, name, function, service):
    async def unary(self, request, context):
        try:
            world.check(name, request, context)
            if name in world.hanging:
                await world.hanging[name].wait()
            result = function(self, request)
            return await result if asyncio.iscoroutine(result) else result
        except Exception as error:  # noqa: BLE001 - as the interceptor of a service does
            await context.abort_with_status(rpc_status.to_status(to_status(error, f"{service}.crm")))

    async def stream(self, request, context):
        try:
            world.check(name, request, context)
            for part in function(self, request):
                yield part
        except Exception as error:  # noqa: BLE001
            await context.abort_with_status(rpc_status.to_status(to_status(error, f"{service}.crm")))

    return stream if name.startswith("Download") else unary


def page_of(records, request):
    start = int(request.page_token or 0)
    if request.page_size < 0 or request.page_size > 200:
        raise Invalid("PAGE_SIZE_OUT_OF_RANGE", "page_size must be at most 200", field="page_size")
    size = request.page_size or 50
    token = str(start + size) if start + size < len(records) else ""
    return records[start : start + size], token


def settings_service(world):
    @answering(world, "identity")
    class Settings(settings_service_pb2_grpc.SettingsServiceServicer):
        def GetMySettings(self, request):
            return account_pb2.UserSettings(locale="zh-CN", etag="0", notification_switches=world.switches)

    return Settings()


def identity_server(world):
    @answering(world, "identity")
    class Auth(auth_service_pb2_grpc.AuthServiceServicer):
        def Login(self, request):
            if request.password != "right-password":
                raise Unauthenticated("BAD_CREDENTIALS", "unknown user or wrong password")
            return auth_service_pb2.TokenPair(access_token="good", refresh_token="again")

        def GetKeySet(self, request):
            return auth_service_pb2.KeySet(jwks_json='{"keys":[]}')

        def GetMe(self, request):
            return user_pb2.User(name=f"users/{uuid(1)}", username="li.wei", display_name="李伟", etag="1")

    @answering(world, "identity")
    class Users(user_service_pb2_grpc.UserServiceServicer):
        def BatchGetUsers(self, request):
            users = [user_pb2.User(name=name, display_name="李伟", username="li.wei") for name in request.names]
            return user_service_pb2.BatchGetUsersResponse(users=users[::-1])

        def UpdateUser(self, request):
            return request.user

    @answering(world, "identity")
    class Departments(department_service_pb2_grpc.DepartmentServiceServicer):
        def BatchGetDepartments(self, request):
            found = [department_pb2.Department(name=name, display_name="华东战区") for name in request.names]
            return department_service_pb2.BatchGetDepartmentsResponse(departments=found)

    @answering(world, "identity")
    class Roles(role_service_pb2_grpc.RoleServiceServicer):
        def CreateRole(self, request):
            return role_pb2.Role(
                name=f"roles/{uuid(1)}", display_name=request.role.display_name, grants=request.role.grants
            )

        def ListPermissions(self, request):
            return role_service_pb2.ListPermissionsResponse()

    return [
        (settings_service_pb2_grpc.add_SettingsServiceServicer_to_server, settings_service(world)),
        (auth_service_pb2_grpc.add_AuthServiceServicer_to_server, Auth()),
        (user_service_pb2_grpc.add_UserServiceServicer_to_server, Users()),
        (department_service_pb2_grpc.add_DepartmentServiceServicer_to_server, Departments()),
        (role_service_pb2_grpc.add_RoleServiceServicer_to_server, Roles()),
        (test_clock_service_pb2_grpc.add_TestClockServiceServicer_to_server, clock(world, "identity")),
        (audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit_log(world, "identity")),
    ]


def audit_log(world, service):
    """A log whose page tokens are the numbers of the entries before which a page begins."""

    @answering(world, service)
    class Audit(audit_service_pb2_grpc.AuditServiceServicer):
        def ListAuditEntries(self, request):
            assert request.service == service
            below = int(request.page_token or 10**9)
            found = [
                audit_service_pb2.AuditEntry(
                    name=f"auditEntries/{service}.{number}",
                    service=service,
                    action="customer.update",
                    actor=f"users/{uuid(1)}",
                    time={"seconds": seconds},
                    page_token=str(number),
                )
                for number, seconds in enumerate(world.logs[service])
            ]
            found = sorted((e for e in found if int(e.page_token) < below), key=lambda e: -int(e.page_token))
            page = found[: request.page_size]
            return audit_service_pb2.ListAuditEntriesResponse(
                entries=page,
                next_page_token=page[-1].page_token if len(found) > len(page) else "",
                start_token=str(int(page[0].page_token) + 1) if page else "",
            )

        def VerifyAudit(self, request):
            assert request.service == service
            done = int(request.page_token or 0) + 100
            whole = len(world.logs[service])
            return audit_service_pb2.VerifyAuditResponse(
                service=service,
                complete=done >= whole,
                next_page_token="" if done >= whole else str(done),
                entry_count=min(done, whole),
                head_hash="ab",
            )

    return Audit()


def clock(world, service):
    @answering(world, service)
    class Clock(test_clock_service_pb2_grpc.TestClockServiceServicer):
        def GetTestClock(self, request):
            answer = test_clock_service_pb2.TestClock()
            answer.now.FromJsonString("2026-01-01T00:00:00Z")
            return answer

        def MoveTestClock(self, request):
            return test_clock_service_pb2.TestClock(now=request.set_time)

    return Clock()


def customers_server(world):  # noqa: C901 - one servicer after the other
    @answering(world, "customers")
    class Customers(customer_service_pb2_grpc.CustomerServiceServicer):
        def GetCustomer(self, request):
            if request.name not in world.customers:
                raise NotFound("CUSTOMER_NOT_FOUND", "there is no such customer", field="name", customer=request.name)
            return world.customers[request.name]

        def GetCustomerOverview(self, request):
            if request.name not in world.customers:
                raise NotFound("CUSTOMER_NOT_FOUND", "there is no such customer", field="name", customer=request.name)
            answer = customer_service_pb2.CustomerOverview(customer=world.customers[request.name])
            if request.contact_page_size:
                answer.contacts.contacts.add(
                    name=f"contacts/{uuid(1)}", customer=request.name, display_name="王芳", etag="1"
                )
            if request.timeline_page_size:
                answer.timeline.entries.add(name=f"timelineEntries/{uuid(1)}", kind="FOLLOW_UP_LOGGED", summary="电话")
            if request.custom_fields:
                answer.custom_fields.add(
                    name=f"customFields/{uuid(1)}", entity="customer", key="region", label="大区", etag="1"
                )
            return answer

        def ListCustomers(self, request):
            found, token = page_of(list(world.customers.values()), request)
            return customer_service_pb2.ListCustomersResponse(customers=found, next_page_token=token)

        def BatchGetCustomers(self, request):
            found = [world.customers[name] for name in request.names if name in world.customers]
            return customer_service_pb2.BatchGetCustomersResponse(customers=found)

        def CountCustomers(self, request):
            return customer_service_pb2.CountCustomersResponse(count=len(world.customers))

        def CreateCustomer(self, request):
            if not request.customer.phones:
                raise Invalid("INVALID_PHONE", "this is no phone number", field="customer.display_name")
            return request.customer

        def UpdateCustomer(self, request):
            return request.customer

        def DeleteCustomer(self, request):
            return Empty()

        def ListTimelineEntries(self, request):
            entry = timeline_pb2.TimelineEntry(
                name=f"timelineEntries/{uuid(1)}", customer=request.customer, kind="FOLLOW_UP_LOGGED", summary="电话"
            )
            return customer_service_pb2.ListTimelineEntriesResponse(entries=[entry])

    @answering(world, "customers")
    class Contacts(contact_service_pb2_grpc.ContactServiceServicer):
        def ListContacts(self, request):
            contacts = [
                contact_pb2.Contact(
                    name=f"contacts/{uuid(int(name[-12:]))}", customer=name, display_name="王芳", etag="1"
                )
                for name in request.customers
            ]
            found, token = page_of(contacts, request)
            return contact_service_pb2.ListContactsResponse(contacts=found, next_page_token=token)

    @answering(world, "customers")
    class Fields(custom_field_service_pb2_grpc.CustomFieldServiceServicer):
        def ListCustomFields(self, request):
            field = custom_field_pb2.CustomField(
                name=f"customFields/{uuid(1)}", entity="customer", key="region", label="大区", etag="1"
            )
            return custom_field_service_pb2.ListCustomFieldsResponse(custom_fields=[field])

    @answering(world, "customers")
    class Transfers(transfer_service_pb2_grpc.TransferServiceServicer):
        async def ImportCustomers(self, parts):
            job = job_pb2.ImportJob(name=f"importJobs/{uuid(1)}", state=job_pb2.JOB_STATE_QUEUED)
            async for part in parts:
                if part.HasField("options"):
                    job.file_name, job.mode = part.options.file_name, part.options.mode
                else:
                    assert len(part.data) <= 1024 * 1024
                    world.uploaded += part.data
            return job

        def GetImportJob(self, request):
            return world.jobs.pop(0) if len(world.jobs) > 1 else world.jobs[0]

        def DownloadImportErrors(self, request):
            if request.name != f"importJobs/{uuid(1)}":
                raise NotFound("IMPORT_JOB_NOT_FOUND", "there is no such import")
            yield job_pb2.FileChunk(file_name="错误.csv", content_type="text/csv", data="行,原因\n".encode())
            yield job_pb2.FileChunk(data=b"2,INVALID_PHONE\n")

    return [
        (customer_service_pb2_grpc.add_CustomerServiceServicer_to_server, Customers()),
        (contact_service_pb2_grpc.add_ContactServiceServicer_to_server, Contacts()),
        (custom_field_service_pb2_grpc.add_CustomFieldServiceServicer_to_server, Fields()),
        (transfer_service_pb2_grpc.add_TransferServiceServicer_to_server, Transfers()),
        (test_clock_service_pb2_grpc.add_TestClockServiceServicer_to_server, clock(world, "customers")),
        (audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit_log(world, "customers")),
    ]


def leads_server(world):
    @answering(world, "leads")
    class FollowUps(follow_up_service_pb2_grpc.FollowUpServiceServicer):
        def ListFollowUps(self, request):
            customer = f"customers/{uuid(1)}"
            found = [
                follow_up_pb2.FollowUp(
                    name=f"followUps/{uuid(number)}",
                    customer=customer,
                    contact=f"contacts/{uuid(1)}",
                    author=f"users/{uuid(number)}",
                    content="谈价格",
                    method=follow_up_pb2.FOLLOW_UP_METHOD_CALL,
                )
                for number in range(3)
            ]
            return follow_up_service_pb2.ListFollowUpsResponse(follow_ups=found)

        def LogFollowUp(self, request):
            return request.follow_up

    return [
        (follow_up_service_pb2_grpc.add_FollowUpServiceServicer_to_server, FollowUps()),
        (test_clock_service_pb2_grpc.add_TestClockServiceServicer_to_server, clock(world, "leads")),
        (audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit_log(world, "leads")),
    ]


@asynccontextmanager
async def serving(parts, port=0):
    """A gRPC server in this process, standing for another one; its port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    for add, servicer in parts:
        add(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield server, bound
    finally:
        await server.stop(0)


class Suite:
    """The gateway under test and what stands around it."""

    def __init__(self, world, client, url, servers, gateway):
        self.world = world
        self.http = client
        self.url = url
        self.servers = servers
        self.gateway = gateway

    async def post(self, query, variables=None, *, token=TOKEN, **headers):
        """The answer to an operation, errors included."""
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        if token:
            headers["authorization"] = token
        body = {"query": query, "variables": variables or {}}
        return await self.http.post("/graphql", json=body, headers={"accept-language": "en", **headers})

    async def run(self, query, variables=None, **options):
        """The data of an answer without errors."""
        answer = (await self.post(query, variables, **options)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refused(self, query, variables=None, **options):
        """The extensions of the only error of an answer."""
        answer = (await self.post(query, variables, **options)).json()
        assert len(answer["errors"]) == 1, answer
        return answer["errors"][0]["extensions"]


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def running_gateway(environment):
    """The gateway over real sockets; its address."""
    settings = GatewaySettings.read(Settings.read(environment))
    app = make_app(settings)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=1024 * 1024,
        **proxy_options(settings),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.gateway
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def suite(anyio_backend):
    world = World()
    async with (
        serving(identity_server(world)) as (identity, identity_port),
        serving(customers_server(world)) as (customers, customers_port),
        serving(leads_server(world)) as (leads, leads_port),
    ):
        environment = {
            "IDENTITY_TARGET": f"127.0.0.1:{identity_port}",
            "CUSTOMERS_TARGET": f"127.0.0.1:{customers_port}",
            "LEADS_TARGET": f"127.0.0.1:{leads_port}",
        }
        async with (
            running_gateway(environment) as (url, gateway),
            httpx.AsyncClient(base_url=url, timeout=20) as client,
        ):
            servers = {"identity": identity, "customers": customers, "leads": leads}
            yield Suite(world, client, url, servers, gateway)


@pytest.fixture
async def restart_customers(suite):
    """Starts the stopped `customers` process again, at its old address."""
    port = int(suite.gateway.settings.targets["customers"].rpartition(":")[2])
    return lambda: serving(customers_server(suite.world), port)


@pytest.fixture
def gateway_of(anyio_backend):
    """Runs a gateway with an environment of its own; a client of it."""

    @asynccontextmanager
    async def run(environment):
        headers = {"authorization": TOKEN}
        async with (
            running_gateway(environment) as (url, gateway),
            httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
        ):
            client.gateway = gateway
            yield client

    return run
