"""Operations of devices: each once, each judged by itself, conflicts kept for a choice."""

import threading
from uuid import uuid4

import pytest
from chassis.errors import Conflict, Invalid, NotFound, Stale, Unavailable
from chassis.names import new_id
from chassis.testing import make_caller
from leads.drafts import FollowUpDraft
from leads.model import OfflineOperation
from leads.offline.applying import Operation, apply_operations
from leads.offline.conflicts import list_conflicts, resolve_conflict
from leads.offline.edits import LeadEdits
from leads.subjects import Subject
from leads.tasks.making import TaskDraft, create_task
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import func, select, text


@pytest.fixture
def me():
    return make_caller(department_path="r/a/")


@pytest.fixture
def lead(database, me):
    with database.write(me) as session:
        return create_lead(session, LeadDraft({"company_name": "华诚", "remark": "首谈", "industry": "制造业"}))


def operation(kind, read, client_id=None, digest=b""):
    return Operation(client_id or uuid4(), kind, digest or uuid4().bytes, read)


def created(name=None, **values):
    stated = {"company_name": name or f"公司{new_id().hex}"} | values
    return operation("create_lead", lambda resolve: LeadDraft(stated))


def edited(lead, base=None, **values):
    return operation("update_lead", lambda resolve: LeadEdits(lead.id, f"v{lead.version}", values, base or {}))


def logged(customer, content="谈妥了十台，八月交货"):
    return operation("log_follow_up", lambda resolve: FollowUpDraft(customer, "CALL", content))


@pytest.fixture
def hand_in(database, me, directory):
    def call(*operations, caller=me, customers=directory):
        with database.write(caller) as session:
            return apply_operations(session, operations, customers)

    return call


def states(outcomes):
    return [one.kept.state if one.kept is not None else None for one in outcomes]


def counted(database, me, table):
    with database.read(me) as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}"))


def test_a_hundred_operations_handed_in_twice_take_effect_once(database, me, known, lead, hand_in):
    customer = known(me.user_id, "r/a/")
    queue = [
        *(created() for _ in range(40)),
        *(logged(customer, f"第{n}次谈") for n in range(59)),
        edited(lead, remark="二谈"),
    ]
    first = hand_in(*queue)
    assert states(first) == ["APPLIED"] * 100
    again = hand_in(*queue)
    assert all(one.duplicate for one in again)
    assert [one.kept.record for one in again] == [one.kept.record for one in first]
    assert (counted(database, me, "lead"), counted(database, me, "follow_up")) == (41, 59)
    with database.read(me) as session:
        assert session.scalar(text("SELECT version FROM lead WHERE remark = '二谈'")) == 2


def test_a_queue_that_is_handed_in_twice_at_the_same_time_takes_effect_once(database, me, hand_in):
    queue = [created() for _ in range(20)]
    seen, started = [], threading.Barrier(2)

    def run():
        started.wait(timeout=60)
        seen.append(hand_in(*queue))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert counted(database, me, "lead") == 20
    assert sorted([one.duplicate for one in outcomes] for outcomes in seen) == [[False] * 20, [True] * 20]


def test_what_is_refused_keeps_none_of_the_others_back_and_stays_refused(database, me, lead, hand_in):
    missing = operation("update_lead", lambda resolve: LeadEdits(new_id(), "v1", {"remark": "x"}, {}))
    nameless = operation("create_lead", lambda resolve: LeadDraft({"remark": "无名"}))
    queue = [missing, created(), nameless, edited(lead, remark="二谈")]
    outcomes = hand_in(*queue)
    assert states(outcomes) == ["REFUSED", "APPLIED", "REFUSED", "APPLIED"]
    assert [one.kept.reason for one in outcomes] == ["LEAD_NOT_FOUND", "", "REQUIRED", ""]
    assert states(hand_in(*queue)) == ["REFUSED", "APPLIED", "REFUSED", "APPLIED"]
    assert counted(database, me, "lead") == 2


def test_an_operation_may_refer_to_what_an_earlier_one_made(database, me, hand_in):
    create = created("恒信")
    name = f"operations/{create.client_id}"

    def read(resolve):
        return LeadEdits(new_id() if (found := resolve(name)) == name else uuid_of(found), "v1", {"remark": "谈过"}, {})

    outcomes = hand_in(create, operation("update_lead", read))
    assert states(outcomes) == ["APPLIED", "APPLIED"]
    assert outcomes[0].kept.record == outcomes[1].kept.record
    [dangling] = hand_in(operation("update_lead", lambda resolve: resolve(f"operations/{uuid4()}")))
    assert (dangling.kept.state, dangling.kept.reason) == ("REFUSED", "OPERATION_NOT_FOUND")


def uuid_of(name):
    return type(new_id())(name.partition("/")[2])


def test_an_id_stands_for_one_operation_of_one_person(database, me, hand_in):
    one = created()
    hand_in(one)
    [other] = hand_in(operation("create_lead", lambda resolve: LeadDraft({"company_name": "别家"}), one.client_id))
    assert (other.kept, other.refusal.reason) == (None, "OPERATION_ID_REUSED")
    [theirs] = hand_in(one, caller=make_caller(department_path="r/b/"))
    assert (theirs.kept.state, theirs.duplicate) == ("APPLIED", False)
    assert counted(database, me, "lead") == 2


def test_without_the_permission_an_operation_is_refused_by_itself(database, known, hand_in):
    clerk = make_caller("lead.read", "lead.create", "customer.read")
    customer = known(new_id(), "r/a/")
    outcomes = hand_in(logged(customer), created(), caller=clerk)
    assert [(one.kept.state, one.kept.reason) for one in outcomes] == [
        ("REFUSED", "PERMISSION_DENIED"),
        ("APPLIED", ""),
    ]


def test_a_task_is_completed_once(database, me, lead, directory, hand_in):
    with database.write(me) as session:
        task = create_task(session, TaskDraft(Subject("leads", lead.id), {"title": "报价"}), directory)
    done = operation("complete_task", lambda resolve: task.id)
    assert states(hand_in(done, done)) == ["APPLIED", "APPLIED"]
    with database.read(me) as session:
        assert session.scalar(text("SELECT status FROM task")) == "DONE"
        assert session.scalar(text("SELECT version FROM task")) == task.version + 1


class Silent:
    """A customers service that does not answer."""

    def owners_of(self, customer_ids):
        raise Unavailable("SERVICE_UNAVAILABLE", "customers does not answer")


def test_what_cannot_be_judged_now_is_not_claimed(database, me, known, directory, hand_in):
    customer = new_id()
    follow_up, lead = logged(customer), created()
    outcomes = hand_in(follow_up, lead, customers=Silent())
    assert states(outcomes) == [None, "APPLIED"]
    assert isinstance(outcomes[0].refusal, Unavailable)
    directory.owners[customer] = me.user_id
    outcomes = hand_in(follow_up, lead)
    assert [(one.kept.state, one.duplicate) for one in outcomes] == [("APPLIED", False), ("APPLIED", True)]


def test_a_field_changed_on_both_sides_waits_for_a_choice_and_the_others_are_set(database, me, lead, hand_in):
    with database.write(me) as session:
        update_lead(session, lead.id, {"remark": "他谈", "city": "苏州"})
    base = {"remark": "首谈", "industry": "制造业"}
    [outcome] = hand_in(edited(lead, base, remark="我谈", industry="金融业", city="苏州"))
    assert outcome.kept.state == "CONFLICT"
    assert outcome.kept.conflict == {"base": {"remark": "首谈"}, "yours": {"remark": "我谈"}}
    with database.read(me) as session:
        row = session.execute(text("SELECT remark, industry, city FROM lead")).one()
        assert tuple(row) == ("他谈", "金融业", "苏州")
        assert [one.client_id for one in list_conflicts(session, page_size=0, page_token="").rows] == [
            outcome.client_id
        ]
    with database.write(me) as session:
        with pytest.raises(Invalid) as refused:
            resolve_conflict(session, outcome.client_id, ["remark"], ["city"])
        assert refused.value.reason == "INCOMPLETE_CHOICE"
        with pytest.raises(Stale):
            resolve_conflict(session, outcome.client_id, ["remark"], [], etag="v1")
    with database.write(me) as session:
        settled, now = resolve_conflict(session, outcome.client_id, ["remark"], [], etag="v3")
        assert (now.remark, settled.state, settled.conflict) == ("我谈", "RESOLVED", None)
    with database.write(me) as session, pytest.raises(Conflict):
        resolve_conflict(session, outcome.client_id, ["remark"], [])
    with database.write(make_caller()) as session, pytest.raises(NotFound):
        resolve_conflict(session, outcome.client_id, ["remark"], [])


def test_edits_of_the_version_that_is_current_are_no_conflict(database, me, lead, hand_in):
    [outcome] = hand_in(edited(lead, {}, remark="二谈", status="CONTACTED"))
    assert outcome.kept.state == "APPLIED"


def test_a_conflict_about_a_lead_that_is_deleted_is_given_up(database, me, lead, hand_in):
    with database.write(me) as session:
        update_lead(session, lead.id, {"remark": "他谈"})
    hand_in(edited(lead, {"remark": "首谈"}, remark="我谈"))
    with database.write(me) as session:
        delete_lead(session, lead.id)
    with database.read(me) as session:
        kept = session.scalars(select(OfflineOperation)).one()
        assert (kept.state, kept.conflict) == ("RESOLVED", None)
        assert session.scalar(select(func.count()).select_from(OfflineOperation)) == 1


@pytest.mark.parametrize("count", [0, 201])
def test_neither_none_nor_too_many_are_taken_in(hand_in, count):
    with pytest.raises(Invalid) as refused:
        hand_in(*[created() for _ in range(count)])
    assert refused.value.reason == "TOO_MANY"
