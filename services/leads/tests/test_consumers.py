"""Events of other services, as they come from the broker."""

from datetime import timedelta

import pytest
from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.names import new_id
from chassis.testing import make_caller
from leads.consumers import SUBSCRIPTIONS
from leads.model import FollowUp, KnownCustomer, KnownDepartment, KnownUser
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up

ME = service_caller("leads")


def deliver(database, source, name, data, clock):
    [subscription] = [item for item in SUBSCRIPTIONS if item.source == source and name in item.events]
    received = Received(new_id(), f"crm.{source}.v1.{name}", source, "", clock.now, "", data)
    with database.write(ME) as session:
        subscription.handle(session, received)


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
