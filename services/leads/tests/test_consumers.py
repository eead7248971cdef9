"""Events of other services, as they come from the broker."""

from datetime import timedelta

import pytest
from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.errors import Denied
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing import make_caller
from leads.automation.authors import caller_of
from leads.consumers import SUBSCRIPTIONS
from leads.model import FollowUp, KnownCustomer, KnownDepartment, KnownUser
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up

ME = service_caller("leads")


def deliver(database, source, name, data, clock):
    handlers = [item for item in SUBSCRIPTIONS if item.source == source and name in item.events]
    assert handlers
    received = Received(new_id(), f"crm.{source}.v1.{name}", source, "", clock.now, "", data)
    for subscription in handlers:
        with database.write(ME) as session:
            subscription.handle(session, received)


def received(name, data, clock):
    return Received(new_id(), f"crm.customers.v1.{name}", "customers", "", clock.now, "", data)


def state(key, version, name="华诚", owner=""):
    return {
        "customer": f"customers/{key}",
        "version": str(version),
        "kind": "COMPANY",
        "display_name": name,
        "status": "WON",
        "owner": owner,
        "owner_department_path": "r/a/",
    }


def test_customers_are_followed_through_their_life(database, clock):
    key, imported, owner = new_id(), new_id(), new_id()
    for version, name in enumerate(("CustomerCreated", "CustomerUpdated", "CustomerTransferred"), 1):
        event = {"customer": f"customers/{key}", "version": str(version), "state": state(key, version, name)}
        deliver(database, "customers", name, event, clock)
    deliver(
        database,
        "customers",
        "CustomersImported",
        {"import_job": "importJobs/1", "customers": [state(imported, 1, owner=f"users/{owner}"), state(key, 2)]},
        clock,
    )
    with database.read(ME) as session:
        assert session.get_one(KnownCustomer, key).display_name == "CustomerTransferred"
        kept = session.get_one(KnownCustomer, imported)
        assert (kept.owner_id, kept.owner_department_path) == (owner, "r/a/")
    deliver(database, "customers", "CustomerDeleted", {"customer": f"customers/{key}", "version": "3"}, clock)
    with database.read(ME) as session:
        assert session.get_one(KnownCustomer, key).deleted


@pytest.mark.parametrize("closes", [True, False])
def test_plans_for_a_customer_that_goes_back_to_a_pool_end_or_wait_for_the_next_owner(
    database, clock, directory, known, closes
):
    customer, planner = known(), make_caller(user_id=new_id())
    with database.write(planner) as session:
        later = session.now + timedelta(days=1)
        plan = log_follow_up(session, FollowUpDraft(customer, "CALL", "谈", next_contact_time=later), directory).id
    change = {
        "state": state(customer, 9),
        "previous_owner": planner.subject,
        "pool": f"pools/{new_id()}",
        "closes_plans": closes,
    }
    deliver(database, "customers", "CustomersHandedOver", {"kind": "RELEASED", "changes": [change]}, clock)
    with database.read(ME) as session:
        kept = session.get_one(FollowUp, plan)
        assert (kept.reminder_open, kept.follows_owner) == (not closes, not closes)
        assert session.get_one(KnownCustomer, customer).version == 9


def test_events_that_come_together_come_to_the_same_as_one_by_one(database, clock):
    """Customers are made, claimed twice, released and deleted in one go."""
    [subscription] = [item for item in SUBSCRIPTIONS if item.queue == "leads.customers"]
    pool, one, other = f"pools/{new_id()}", f"users/{new_id()}", f"users/{new_id()}"

    def told(first, second, gone):
        def over(key, version, owner="", into=""):
            change = {"state": state(key, version, owner=owner), "previous_owner": one if into else "", "pool": into}
            return received("CustomersHandedOver", {"kind": "CLAIMED", "changes": [change]}, clock)

        made = [received("CustomerCreated", {"state": state(key, 1)}, clock) for key in (first, second, gone)]
        end = received("CustomerDeleted", {"customer": f"customers/{gone}", "version": "2"}, clock)
        again = over(second, 2, owner=other)
        return [
            *made,
            over(first, 2, owner=one),
            end,
            again,
            over(first, 3, into=pool),
            over(first, 4, owner=other),
            again,
        ]

    def kept(keys):
        with database.read(ME) as session:
            rows = [session.get_one(KnownCustomer, key) for key in keys]
            return [(row.version, row.owner_id, row.display_name, row.deleted) for row in rows]

    apart, together = ([new_id() for _ in range(3)] for _ in range(2))
    for event in told(*apart):
        with database.write(ME) as session:
            subscription.handle(session, event)
    with database.write(ME) as session:
        subscription.handle_all(session, told(*together))
    assert kept(together) == kept(apart)
    assert [row[0] for row in kept(together)] == [4, 2, 2]
    assert [row[3] for row in kept(together)] == [False, False, True]


def test_the_organisation_is_followed(database, clock):
    user, department = new_id(), new_id()
    place = {"department": f"departments/{department}", "version": "1"}
    deliver(database, "identity", "DepartmentChanged", place | {"path": "r/a/"}, clock)
    deliver(database, "identity", "UserChanged", place | {"user": f"users/{user}", "department_path": "r/"}, clock)
    with database.read(ME) as session:
        assert session.get_one(KnownUser, user).department_path == "r/a/"
    deliver(database, "identity", "DepartmentDeleted", place, clock)
    with database.read(ME) as session:
        assert session.get(KnownDepartment, department) is None


def test_queues_have_their_own_names():
    queues = [subscription.queue for subscription in SUBSCRIPTIONS]
    assert len(set(queues)) == len(queues)
    assert all(queue.startswith("leads.") for queue in queues)


def test_what_people_may_do_is_followed(database, clock):
    user, role, department = new_id(), new_id(), new_id()
    place = {"department": f"departments/{department}", "version": "1", "path": "r/a/"}
    deliver(database, "identity", "DepartmentChanged", place, clock)
    person = {"user": f"users/{user}", "version": "2", "active": True, "roles": [f"roles/{role}"]}
    deliver(database, "identity", "UserChanged", person, clock)
    granted = {"permission": "lead.read", "scope": "DATA_SCOPE_CUSTOM", "departments": [f"departments/{department}"]}
    hidden = {"entity": "lead", "field": "phones", "effect": "FIELD_EFFECT_MASK"}
    told = {"role": f"roles/{role}", "version": "3", "grants": [granted], "field_rules": [hidden]}
    deliver(database, "identity", "RoleChanged", told, clock)
    deliver(database, "identity", "RoleChanged", {**told, "version": "2", "grants": []}, clock)  # comes late
    with database.read(ME) as session:
        caller = caller_of(session, user)
        assert caller.scope("lead.read").trees == ("r/a/",)
        assert caller.field_rules == {"lead": {"phones": FieldEffect.MASK}}
        with pytest.raises(Denied):
            caller.scope("lead.update")
    deliver(database, "identity", "RoleDeleted", {"role": f"roles/{role}", "version": "3"}, clock)
    with database.read(ME) as session, pytest.raises(Denied):
        caller_of(session, user).scope("lead.read")
    deliver(database, "identity", "UserChanged", {**person, "version": "3", "active": False}, clock)
    with database.read(ME) as session, pytest.raises(Denied, match="may not sign in"):
        caller_of(session, user)
