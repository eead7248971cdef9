"""Whoever leaves cannot sign in from then on, and services are told who gets what the person held."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import grpc
import pytest
from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.names import new_id
from chassis.testing import eventually
from crm.common.v1 import filter_pb2, handover_pb2, job_pb2
from crm.identity.v1 import (
    auth_service_pb2,
    department_pb2,
    department_service_pb2,
    offboarding_service_pb2,
    offboarding_service_pb2_grpc,
    saved_view_pb2,
    saved_view_service_pb2,
    saved_view_service_pb2_grpc,
    user_pb2,
)
from identity.consumers import keep_progress
from identity.testing import PASSWORD, grant, refused


@pytest.fixture
def offboardings(suite):
    return offboarding_service_pb2_grpc.OffboardingServiceStub(suite.channel)


@pytest.fixture
def leave(suite, offboardings):
    """Let a user leave as the administrator."""

    def offboard(user, default="", *, rules=(), as_caller=(), **more):
        plan = offboarding_service_pb2.OffboardingPlan(rules=rules, default_successor=default)
        request = offboarding_service_pb2.OffboardUserRequest(
            user=user.name, plan=plan, **{"request_id": str(uuid4()), **more}
        )
        return offboardings.OffboardUser(request, metadata=as_caller or suite.admin)

    return offboard


def tell(suite, offboarding, service, entity, state, version=1, **counts):
    """Deliver what a service tells of its hand-over."""
    data = {"offboarding": offboarding.name, "version": version, "service": service, "entity": entity, **counts}
    data |= {"state": state, "round": 1}
    event = Received(
        new_id(), "crm.common.v1.HandoverProgressed", service, offboarding.name, datetime.now(UTC), "", data
    )
    with suite.runtime.database.write(service_caller("identity")) as session:
        keep_progress(session, event)


def read(suite, offboardings, offboarding):
    request = offboarding_service_pb2.GetOffboardingRequest(name=offboarding.name)
    return offboardings.GetOffboarding(request, metadata=suite.admin)


def test_login_and_tokens_end_at_once(suite, leave):
    user, successor = suite.user(), suite.user()
    pair = suite.login(user.username)
    leave(user, successor.name, reason="离职")
    assert suite.audited(user.name)[-2:] == ["user.update", "user.offboard"]
    refresh = auth_service_pb2.RefreshTokensRequest(refresh_token=pair.refresh_token)
    for call in (lambda: suite.login(user.username), lambda: suite.auth.RefreshTokens(refresh)):
        assert unauthenticated(call)
    # Servers hear of it by the policy, which they ask for twice a second.
    eventually(lambda: unauthenticated(lambda: suite.me((("authorization", f"Bearer {pair.access_token}"),))))


def unauthenticated(call):
    """Whether a call is refused for want of a good login."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.UNAUTHENTICATED
    return False


def test_services_are_told_who_gets_what(suite, leave):
    user, one, two = suite.user(), suite.user(), suite.user()
    rules = [handover_pb2.HandoverRule(entity="lead", successors=[one.name, two.name])]
    made = leave(user, one.name, rules=rules)
    told = suite.events("OffboardingStarted")[-1]
    assert told["offboarding"] == made.name
    assert (told["user"]["user"], told["user"]["active"]) == (user.name, False)
    assert told["rules"] == [{"entity": "lead", "successors": [one.name, two.name]}]
    assert (told["default_successor"], told["actor"], told["round"]) == (one.name, suite.admin_name, 1)
    assert made.state == job_pb2.JOB_STATE_RUNNING
    assert {(part.service, part.entity) for part in made.parts} == {
        ("customers", "customer"),
        ("customers", "customer_theatre"),
        ("leads", "follow_up"),
        ("leads", "lead"),
        ("leads", "plan"),
        ("leads", "task"),
    }


def test_views_that_the_leaver_shared_go_to_the_successor(suite, leave):
    department = suite.department()
    leaver, colleague = suite.user(department.name), suite.user(department.name)
    successor = suite.user()
    as_leaver, as_colleague, as_successor = (
        suite.sign_in(each.username, PASSWORD) for each in (leaver, colleague, successor)
    )
    views = saved_view_service_pb2_grpc.SavedViewServiceStub(suite.channel)

    def save(metadata, name, **fields):
        view = saved_view_pb2.SavedView(entity="customer", display_name=name, **fields)
        request = saved_view_service_pb2.CreateSavedViewRequest(saved_view=view, request_id=str(uuid4()))
        return views.CreateSavedView(request, metadata=metadata)

    def listed(metadata):
        request = saved_view_service_pb2.ListSavedViewsRequest(entity="customer")
        return {view.name: view for view in views.ListSavedViews(request, metadata=metadata).saved_views}

    shared = save(as_leaver, "重点客户", shared_department=department.name, is_default=True)
    twin = save(as_leaver, "沉睡客户", shared_department=department.name)
    private = save(as_leaver, "我的客户")
    own = save(as_successor, "沉睡客户", is_default=True)
    made = leave(leaver, successor.name)
    assert made.handed_over_views == 2
    found = listed(as_successor)
    assert set(found) == {shared.name, twin.name, own.name}
    assert (found[shared.name].owner, found[shared.name].is_default) == (successor.name, False)
    assert found[twin.name].display_name == "沉睡客户 (2)"
    assert found[own.name] == own
    assert set(listed(as_colleague)) == {shared.name, twin.name}
    assert suite.audited(twin.name)[-1] == "saved_view.update"
    kept = suite.rows("SELECT owner_id FROM saved_view WHERE id = :id", id=private.name.removeprefix("savedViews/"))
    assert [f"users/{row.owner_id}" for row in kept] == [leaver.name]


def test_a_retry_of_the_call_starts_it_once(suite, leave):
    user, successor = suite.user(), suite.user()
    request_id = str(uuid4())
    first, second = (leave(user, successor.name, request_id=request_id) for _ in range(2))
    assert first == second
    with refused("FAILED_PRECONDITION", "OFFBOARDING_UNDER_WAY"):
        leave(user, successor.name)


def test_it_ends_when_the_last_service_has_told_so(suite, leave, offboardings):
    user, successor = suite.user(), suite.user()
    made = leave(user, successor.name)
    counts = {"before": 7, "moved": 7, "after": 7, "attached": {"contact": 9}}
    tell(suite, made, "customers", "customer", "SUCCEEDED", version=3, **counts)
    tell(suite, made, "customers", "customer", "RUNNING", version=2, before=7, moved=3)  # late
    tell(suite, made, "customers", "customer_theatre", "SUCCEEDED")
    tell(suite, made, "leads", "lead", "SUCCEEDED")
    assert read(suite, offboardings, made).state == job_pb2.JOB_STATE_RUNNING
    for entity in ("follow_up", "plan", "task"):
        tell(suite, made, "leads", entity, "SUCCEEDED")
    ended = read(suite, offboardings, made)
    assert ended.state == job_pb2.JOB_STATE_SUCCEEDED
    assert ended.HasField("end_time")
    [part] = [part for part in ended.parts if part.entity == "customer"]
    assert (part.before, part.moved, part.left, part.after, part.attached["contact"]) == (7, 7, 0, 7, 9)


def test_what_failed_can_be_tried_again_with_other_successors(suite, leave, offboardings):
    user, gone, other = suite.user(), suite.user(), suite.user()
    made = leave(user, gone.name)

    def retry(default="", **more):
        plan = offboarding_service_pb2.OffboardingPlan(default_successor=default) if default else None
        request = offboarding_service_pb2.RetryOffboardingRequest(name=made.name, plan=plan, **more)
        return offboardings.RetryOffboarding(request, metadata=suite.admin)

    with refused("FAILED_PRECONDITION", "OFFBOARDING_NOT_FAILED"):
        retry(other.name)
    gone.state = user_pb2.USER_STATE_DEACTIVATED
    suite.update(gone, "state")
    tell(suite, made, "customers", "customer", "FAILED", failure_reason="SUCCESSOR_INACTIVE")
    tell(suite, made, "customers", "customer_theatre", "SUCCEEDED")
    for entity in ("lead", "follow_up", "plan", "task"):
        tell(suite, made, "leads", entity, "SUCCEEDED")
    failed = read(suite, offboardings, made)
    assert failed.state == job_pb2.JOB_STATE_FAILED
    with refused("INVALID_ARGUMENT", "INACTIVE_SUCCESSOR"):
        retry()
    again = retry(other.name, request_id=str(uuid4()))
    assert (again.state, again.round) == (job_pb2.JOB_STATE_RUNNING, 2)
    states = {part.entity: part.state for part in again.parts}
    assert states["customer"] == job_pb2.JOB_STATE_QUEUED
    assert states["lead"] == job_pb2.JOB_STATE_SUCCEEDED
    assert suite.events("OffboardingStarted")[-1]["default_successor"] == other.name
    tell(suite, made, "customers", "customer", "SUCCEEDED", version=2)
    assert read(suite, offboardings, made).state == job_pb2.JOB_STATE_SUCCEEDED


def test_departments_get_another_head_or_none(suite, leave):
    head, successor = suite.user(), suite.user()
    departments = [suite.department() for _ in range(2)]
    for department in departments:
        department.head = head.name
        request = department_service_pb2.UpdateDepartmentRequest(department=department)
        request.update_mask.paths.append("head")
        suite.departments.UpdateDepartment(request, metadata=suite.admin)
    made = leave(head, successor.name, head_successor=successor.name)
    assert {each.department for each in made.departments} == {each.name for each in departments}
    for department in departments:
        request = department_service_pb2.GetDepartmentRequest(name=department.name)
        assert suite.departments.GetDepartment(request, metadata=suite.admin).head == successor.name
    told = [event for event in suite.events("DepartmentChanged") if event["department"] == departments[0].name]
    assert told[-1]["head"] == successor.name
    made = leave(successor, suite.admin_name)
    assert {each.head for each in made.departments} == {""}


def test_the_nearest_other_head_takes_over_if_nobody_is_named(suite, leave):
    above = suite.department()
    below = suite.department(above.name)
    boss, head = suite.user(above.name), suite.user(below.name)
    for department, one in ((above, boss), (below, head)):
        request = department_service_pb2.UpdateDepartmentRequest(
            department=department_pb2.Department(name=department.name, head=one.name)
        )
        request.update_mask.paths.append("head")
        suite.departments.UpdateDepartment(request, metadata=suite.admin)
    member = suite.user(below.name)
    assert leave(member).default_successor == head.name
    rule = handover_pb2.HandoverRule(entity="customer", department_head=True)
    made = leave(head, suite.admin_name, rules=[rule])
    assert list(made.rules[0].successors) == [boss.name]
    with refused("INVALID_ARGUMENT", "REQUIRED"):
        leave(boss)


def test_nonsense_is_refused_and_changes_nothing(suite, leave):
    user, successor = suite.user(), suite.user()
    gone = suite.user()
    gone.state = user_pb2.USER_STATE_DEACTIVATED
    suite.update(gone, "state")
    rule = handover_pb2.HandoverRule
    condition = filter_pb2.Filter(all=filter_pb2.FilterList())
    cases = {
        "LEAVER_AS_SUCCESSOR": (user.name, []),
        "UNKNOWN_SUCCESSOR": (f"users/{uuid4()}", []),
        "INACTIVE_SUCCESSOR": (gone.name, []),
        "INVALID_NAME": ("users/x", []),
        "UNKNOWN_ENTITY": (successor.name, [rule(entity="planet", successors=[successor.name])]),
        "INVALID_SUCCESSORS": (successor.name, [rule(entity="lead")]),
        "REQUIRED": (successor.name, [rule(filter=condition, successors=[successor.name])]),
        "TOO_MANY_RULES": (successor.name, [rule(entity="lead", successors=[successor.name])] * 101),
    }
    for reason, (default, rules) in cases.items():
        with refused("INVALID_ARGUMENT", reason):
            leave(user, default, rules=rules)
    suite.login(user.username)


def test_nobody_lets_themselves_leave_nor_the_last_administrator(suite, leave):
    successor = suite.user()
    administrator = user_pb2.User(name=suite.admin_name)
    with refused("PERMISSION_DENIED", "OWN_OFFBOARDING"):
        leave(administrator, successor.name)
    _, manager = suite.somebody(grant("user.offboard"))
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        leave(administrator, successor.name, as_caller=manager)
    assert suite.me(suite.admin).name == suite.admin_name


def test_only_people_in_reach_can_be_let_go(suite, leave, offboardings):
    team = suite.department()
    member, stranger, successor = suite.user(team.name), suite.user(), suite.user()
    _, manager = suite.somebody(grant("user.offboard", "DEPARTMENT_TREE"), department=team.name)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        leave(stranger, successor.name, as_caller=manager)
    mine = leave(member, successor.name, as_caller=manager)
    foreign = leave(stranger, successor.name)
    listed = offboardings.ListOffboardings(offboarding_service_pb2.ListOffboardingsRequest(), metadata=manager)
    assert [each.name for each in listed.offboardings] == [mine.name]
    with refused("NOT_FOUND", "OFFBOARDING_NOT_FOUND"):
        offboardings.GetOffboarding(offboarding_service_pb2.GetOffboardingRequest(name=foreign.name), metadata=manager)
    with refused("NOT_FOUND", "OFFBOARDING_NOT_FOUND"):
        offboardings.RetryOffboarding(
            offboarding_service_pb2.RetryOffboardingRequest(name=foreign.name), metadata=manager
        )


def test_a_list_is_paged_newest_first(suite, leave, offboardings):
    successor = suite.user()
    made = [leave(suite.user(), successor.name).name for _ in range(3)]
    found, token = [], ""
    while len(found) < 3:
        request = offboarding_service_pb2.ListOffboardingsRequest(page_size=1, page_token=token)
        page = offboardings.ListOffboardings(request, metadata=suite.admin)
        found += [each.name for each in page.offboardings]
        token = page.next_page_token
    assert found == made[::-1]


def test_services_that_are_not_reachable_keep_nobody_in(suite, leave):
    """Without a filter nobody is asked; where the others are is not even known here."""
    assert "CUSTOMERS_TARGET" not in suite.runtime.settings.environment
    assert UUID(leave(suite.user(), suite.user().name).name.removeprefix("offboardings/"))
