"""Other processes that the gateway talks to, as small real gRPC servers."""

from chassis.errors import Invalid, NotFound, Unauthenticated
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
from crm.leads.v1 import (
    capture_service_pb2,
    capture_service_pb2_grpc,
    follow_up_service_pb2,
    follow_up_service_pb2_grpc,
)
from google.protobuf.empty_pb2 import Empty
from world import REFUSED_ROWS, answering, page_of, uuid


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
                for number, resource in enumerate(world.timeline, 1):
                    name = f"timelineEntries/{uuid(number)}"
                    answer.timeline.entries.add(name=name, kind="FOLLOW_UP_LOGGED", summary="电话", resource=resource)
            if request.custom_fields:
                answer.custom_fields.add(
                    name=f"customFields/{uuid(1)}", entity="customer", key="region", label="大区", etag="1"
                )
            answer.read_time.FromSeconds(world.read_time)
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
        def BatchGetContacts(self, request):
            contacts = [contact_pb2.Contact(name=name, display_name="王芳", etag="1") for name in request.names]
            return contact_service_pb2.BatchGetContactsResponse(contacts=contacts)

        def ListContacts(self, request):
            contacts = [
                contact_pb2.Contact(
                    name=f"contacts/{uuid(int(name[-12:]))}", customer=name, display_name="王芳", etag="1"
                )
                for name in request.customers
                for _ in range(world.contacts_per_customer)
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
            yield job_pb2.FileChunk(file_name="错误.csv", content_type="text/csv", data=REFUSED_ROWS[:60])
            yield job_pb2.FileChunk(data=REFUSED_ROWS[60:])

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
            return follow_up_service_pb2.ListFollowUpsResponse(follow_ups=world.follow_ups)

        def LogFollowUp(self, request):
            return request.follow_up

    @answering(world, "leads")
    class Capture(capture_service_pb2_grpc.CaptureServiceServicer):
        def Submit(self, request):
            allowed = request.origin == "https://www.example.com"
            return capture_service_pb2.SubmitResponse(submission="captureSubmissions/1", origin_allowed=allowed)

        def CheckCaptureOrigin(self, request):
            allowed = request.origin == "https://www.example.com"
            return capture_service_pb2.CheckCaptureOriginResponse(allowed=allowed)

        def ConfirmOptIn(self, request):
            return capture_service_pb2.ConfirmOptInResponse()

    return [
        (capture_service_pb2_grpc.add_CaptureServiceServicer_to_server, Capture()),
        (follow_up_service_pb2_grpc.add_FollowUpServiceServicer_to_server, FollowUps()),
        (test_clock_service_pb2_grpc.add_TestClockServiceServicer_to_server, clock(world, "leads")),
        (audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit_log(world, "leads")),
    ]
