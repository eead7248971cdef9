"""Brings the sample company into a running suite, through its public gRPC API only."""

import csv
import io
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import NAMESPACE_URL, uuid5

from crm.common.v1 import filter_pb2, job_pb2
from crm.customers.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
)
from crm.identity.v1 import (
    department_pb2,
    department_service_pb2,
    department_service_pb2_grpc,
    role_service_pb2,
    role_service_pb2_grpc,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2, follow_up_service_pb2_grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from local_suite.client import SuiteClient
from local_suite.sample.channel import Channel
from local_suite.sample.company import Organisation, Person, make_organisation
from local_suite.sample.customers import HEADINGS, SampleCustomer, make_customers
from local_suite.sample.follow_ups import SampleFollowUp, make_follow_ups
from local_suite.sample.leads import LeadWork
from local_suite.sample.pools import fill_pools
from local_suite.sample.profile import load_profile
from local_suite.sample.purchases import record_purchases
from local_suite.sample.relations import relate_customers
from local_suite.sample.shares import share_customers
from local_suite.sample.theatres import follow_customers
from local_suite.sample.views import keep_views

WRITERS = 4
BATCH = 250
"""Follow-ups in one request."""


@dataclass(frozen=True)
class Plan:
    """How much of a company to bring in."""

    seed: int = 20_260_101
    customers: int = 3_000
    follow_ups: int = 5_000


class Loader:
    """One loading of the sample company. Running it again on the same day adds nothing twice."""

    def __init__(self, suite: SuiteClient, plan: Plan, now: datetime) -> None:
        self.suite, self.plan = suite, plan
        self.now = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    def run(self) -> None:
        """Bring in the organisation, customers with shares and pools, what happened with them, and leads."""
        random = Random(self.plan.seed)
        organisation = make_organisation(random)
        customers = list(make_customers(random, organisation, self.plan.customers))
        follow_ups = list(make_follow_ups(random, customers, self.now, self.plan.follow_ups))
        departments = self._load_organisation(organisation)
        heads = self._load_people(organisation, departments)
        self._load_customers(customers)
        names = self._customer_names()
        self._load_follow_ups(follow_ups, names)
        record_purchases(self.suite, self._request_id, customers, names, self.now)
        share_customers(self.suite, self._request_id, self.now)
        follow_customers(self.suite, self._request_id)
        relate_customers(self.suite, self._request_id)
        keep_views(self.suite, self._request_id, organisation.people[0].username, departments["总部"])
        fill_pools(self.suite, self._request_id, organisation.theatres, departments, heads)
        work = LeadWork(self.suite, self._request_id, self.now)
        work.prepare(organisation.theatres[0], departments[organisation.theatres[0]])
        leads = Channel(self.suite, self._request_id).load(organisation, departments, self._roles())
        work.work(organisation, leads)

    def _load_organisation(self, organisation: Organisation) -> dict[str, str]:
        """The departments by title."""
        load_profile(self.suite, self.now.year)
        root = self._root()
        departments = {"总部": root}
        stub = department_service_pb2_grpc.DepartmentServiceStub(self.suite.identity)
        for title in (*organisation.theatres, *organisation.offices):
            request = department_service_pb2.CreateDepartmentRequest(
                department=department_pb2.Department(
                    display_name=title, parent=root, theatre=title in organisation.theatres
                ),
                request_id=self._request_id("department", title),
            )
            departments[title] = stub.CreateDepartment(request, metadata=self.suite.admin, timeout=10).name
        return departments

    def _load_people(self, organisation: Organisation, departments: Mapping[str, str]) -> dict[str, str]:
        """The heads of departments, by title: the managers."""
        roles = self._roles()
        users = user_service_pb2_grpc.UserServiceStub(self.suite.identity)

        def hire(number: int, person: Person) -> str:
            create = user_service_pb2.CreateUserRequest(
                user=user_pb2.User(
                    username=person.username,
                    display_name=person.name,
                    department=departments[person.department],
                    roles=[roles[person.role]],
                    email=f"{person.username}@guanxi.example.cn",
                    phone=f"+861990000{number:04}",
                ),
                password=self.suite.targets.people_password,
                request_id=self._request_id("user", person.username),
            )
            return users.CreateUser(create, metadata=self.suite.admin, timeout=10).name

        with ThreadPoolExecutor(WRITERS) as pool:
            names = list(pool.map(hire, range(1, len(organisation.people) + 1), organisation.people))
        heads = {
            person.department: name
            for person, name in zip(organisation.people, names, strict=True)
            if person.role == "销售经理"
        }
        stub = department_service_pb2_grpc.DepartmentServiceStub(self.suite.identity)
        for title, head in heads.items():
            promote = department_service_pb2.UpdateDepartmentRequest(
                department=department_pb2.Department(name=departments[title], head=head),
                update_mask=FieldMask(paths=["head"]),
                request_id=self._request_id("head", title),
            )
            stub.UpdateDepartment(promote, metadata=self.suite.admin, timeout=10)
        return heads

    def _load_customers(self, customers: Iterable[SampleCustomer]) -> None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(HEADINGS)
        writer.writerows(customer.row() for customer in customers)
        options = job_pb2.ImportOptions(file_name="sample.csv", request_id=self._request_id("import", "customers"))
        job = self.suite.import_customers(options, text.getvalue().encode("utf-8-sig"))
        if job.state != job_pb2.JOB_STATE_SUCCEEDED or job.failed_rows:
            raise RuntimeError(f"the import of the sample customers went wrong: {job}")

    def _load_follow_ups(self, follow_ups: Iterable[SampleFollowUp], names: dict[str, str]) -> None:
        stub = follow_up_service_pb2_grpc.FollowUpServiceStub(self.suite.leads)
        by_author: dict[str, list[SampleFollowUp]] = {}
        for follow_up in follow_ups:
            by_author.setdefault(follow_up.customer.owner.username, []).append(follow_up)

        def log_all(author: str) -> None:
            caller = self.suite.sign_in(author, self.suite.targets.people_password)
            own = sorted(by_author[author], key=lambda follow_up: follow_up.occur_time)
            for start in range(0, len(own), BATCH):
                request = follow_up_service_pb2.BatchLogFollowUpsRequest(
                    follow_ups=[_message(follow_up, names) for follow_up in own[start : start + BATCH]],
                    request_id=self._request_id("follow-ups", f"{author}/{start}"),
                )
                answer = stub.BatchLogFollowUps(request, metadata=caller, timeout=60)
                if refused := [one.reason for one in answer.outcomes if one.reason]:
                    raise RuntimeError(f"follow-ups of the sample were refused: {refused}")

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(log_all, by_author))

    def _customer_names(self) -> dict[str, str]:
        """The resource names of the sample's customers by external id."""
        stub = customer_service_pb2_grpc.CustomerServiceStub(self.suite.customers)
        condition = filter_pb2.Condition(
            field="external_id",
            operator=filter_pb2.OPERATOR_STARTS_WITH,
            values=[filter_pb2.FilterValue(text="SAMPLE-")],
        )
        names: dict[str, str] = {}
        token = ""
        while True:
            request = customer_service_pb2.ListCustomersRequest(
                page_size=200, page_token=token, filter=filter_pb2.Filter(condition=condition)
            )
            page = stub.ListCustomers(request, metadata=self.suite.admin, timeout=30)
            names.update((customer.external_id, customer.name) for customer in page.customers)
            token = page.next_page_token
            if not token:
                return names

    def _root(self) -> str:
        stub = department_service_pb2_grpc.DepartmentServiceStub(self.suite.identity)
        request = department_service_pb2.ListDepartmentsRequest(page_size=200)
        page = stub.ListDepartments(request, metadata=self.suite.admin, timeout=10)
        return next(department.name for department in page.departments if not department.parent)

    def _roles(self) -> dict[str, str]:
        stub = role_service_pb2_grpc.RoleServiceStub(self.suite.identity)
        page = stub.ListRoles(role_service_pb2.ListRolesRequest(page_size=200), metadata=self.suite.admin, timeout=10)
        return {role.display_name: role.name for role in page.roles}

    def _request_id(self, kind: str, key: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"sample/{self.plan.seed}/{self.now:%Y-%m-%d}/{kind}/{key}"))


def _message(follow_up: SampleFollowUp, names: Mapping[str, str]) -> follow_up_pb2.FollowUp:
    upcoming = follow_up.next_contact_time
    return follow_up_pb2.FollowUp(
        customer=names[follow_up.customer.external_id],
        method=follow_up_pb2.FollowUpMethod.Value(f"FOLLOW_UP_METHOD_{follow_up.method}"),
        content=follow_up.content,
        occur_time=_timestamp(follow_up.occur_time),
        next_contact_time=_timestamp(upcoming) if upcoming else None,
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def load(suite: SuiteClient, plan: Plan) -> None:
    """Bring the sample company into the suite and say how long it took."""
    began = time.monotonic()
    Loader(suite, plan, datetime.now(UTC)).run()
    took = time.monotonic() - began
    sys.stdout.write(f"sample company: {plan.customers} customers, {plan.follow_ups} follow-ups in {took:.0f} s\n")
