"""What the played neighbours of the gateway know, and how each of them is served."""

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager, contextmanager

import grpc.aio
from chassis.channels import ADMITTED
from chassis.errors import Invalid, Unauthenticated
from chassis.status import to_status
from crm.customers.v1 import customer_pb2
from crm.leads.v1 import follow_up_pb2
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


def make_follow_up(number):
    return follow_up_pb2.FollowUp(
        name=f"followUps/{uuid(number)}",
        customer=f"customers/{uuid(1)}",
        contact=f"contacts/{uuid(1)}",
        author=f"users/{uuid(number)}",
        content="谈价格",
        method=follow_up_pb2.FOLLOW_UP_METHOD_CALL,
    )


REFUSED_ROWS = (
    "\ufeffrow,field,reason,message,客户名称\r\n"
    "2,level; phones,INVALID_LEVEL; INVALID_PHONE,"
    '"there is no level \'Z\'; levels are A, B\nthis is no number","甲,\r\n乙"\r\n'
    "3,remark,NEWER_THAN_THE_GATEWAY,no text is known,丙\r\n"
    "4,level,INVALID_LEVEL,\"there is no level 'a\nb'\",丁\r\n"
).encode()
"""A file of refused rows as services write it."""


class World:
    """What the other processes know, how often each method was called, and how they are to misbehave."""

    def __init__(self):
        self.calls = Counter()
        self.metadata = {}
        self.requests = []
        self.customers = {c.name: c for c in map(make_customer, range(120))}
        self.follow_ups = [make_follow_up(number) for number in range(3)]
        self.timeline = [self.follow_ups[0].name]
        self.contacts_per_customer = 1
        self.read_time = 0
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

    async def reached(self, method, times=1):
        """Wait until so many calls of a method are under way, or were."""
        async with asyncio.timeout(60):
            while self.calls[method] < times:
                await asyncio.sleep(0.02)


PUBLIC = {"Login", "GetKeySet", "Submit", "CheckCaptureOrigin", "ConfirmOptIn"}


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
            if name.startswith("Import"):
                await context.send_initial_metadata(((ADMITTED, "true"),))
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


@asynccontextmanager
async def serving(parts, port=0, credentials=None):
    """A gRPC server in this process, standing for another one; its port. With credentials it speaks TLS."""
    with _reserved(port) as reserved:
        server = grpc.aio.server()
        for add, servicer in parts:
            add(servicer, server)
        address = f"127.0.0.1:{reserved}"
        bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        await server.start()
        try:
            yield server, bound
        finally:
            await server.stop(0)


@contextmanager
def _reserved(port):
    """A port that nobody else is given, also once the server has stopped: another test's would answer in its place."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # with which the server shares it, as gRPC sets it
        holder.bind(("127.0.0.1", port))
        yield holder.getsockname()[1]
