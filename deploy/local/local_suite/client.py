"""What the loaders share to talk to a running suite over its public gRPC API."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import grpc
from crm.common.v1 import job_pb2
from crm.customers.v1 import transfer_service_pb2, transfer_service_pb2_grpc
from crm.identity.v1 import auth_service_pb2, auth_service_pb2_grpc

from local_suite.layout import RunFolder

CHUNK = 1 << 20
POLL_SECONDS = 0.2
Metadata = tuple[tuple[str, str], ...]

VARIABLES = {
    "IDENTITY_TARGET": "identity",
    "CUSTOMERS_TARGET": "customers",
    "LEADS_TARGET": "leads",
    "BOOTSTRAP_ADMIN_PASSWORD": "admin_password",
    "SAMPLE_PASSWORD": "people_password",
}


@dataclass(frozen=True)
class Targets:
    """Where the services listen, and how to get in."""

    identity: str
    customers: str
    leads: str
    admin_password: str
    people_password: str
    """The password that all people of the sample company get."""

    @classmethod
    def here(cls) -> "Targets":
        """Those in the environment, else those of the suite that runs here. Leaves the process with a message if
        something is missing."""
        known = {**RunFolder.chosen().read("environment"), **os.environ}
        missing = [name for name in VARIABLES if not known.get(name)]
        if missing:
            sys.exit(f"run `make up` first, or set {', '.join(missing)}")
        return cls.read(known)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Targets":
        """Those in an environment that has them all."""
        return cls(**{field: environment[name] for name, field in VARIABLES.items()})


class SuiteClient:
    """Channels to the services of a suite, with its administrator signed in."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.identity = grpc.insecure_channel(targets.identity)
        self.customers = grpc.insecure_channel(targets.customers)
        self.leads = grpc.insecure_channel(targets.leads)
        self.admin = self.sign_in("admin", targets.admin_password)

    def sign_in(self, username: str, password: str) -> Metadata:
        """The call metadata of a user."""
        stub = auth_service_pb2_grpc.AuthServiceStub(self.identity)
        pair = stub.Login(auth_service_pb2.LoginRequest(username=username, password=password), timeout=10)
        return (("authorization", f"Bearer {pair.access_token}"),)

    def import_customers(
        self, options: job_pb2.ImportOptions, data: bytes, *, patience: float = 300
    ) -> job_pb2.ImportJob:
        """Upload a file and wait for its import to end. Raises TimeoutError after `patience` seconds."""
        stub = transfer_service_pb2_grpc.TransferServiceStub(self.customers)
        job = stub.ImportCustomers(_upload(options, data), metadata=self.admin, timeout=60)
        deadline = time.monotonic() + patience
        while job.state in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{job.name} has not ended after {patience:.0f} s")
            time.sleep(POLL_SECONDS)
            request = transfer_service_pb2.GetImportJobRequest(name=job.name)
            job = stub.GetImportJob(request, metadata=self.admin, timeout=10)
        return job


def _upload(options: job_pb2.ImportOptions, data: bytes) -> Iterator[job_pb2.UploadChunk]:
    yield job_pb2.UploadChunk(options=options)
    yield from (job_pb2.UploadChunk(data=part) for part in _parts(data))


def _parts(data: bytes) -> Iterable[bytes]:
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
