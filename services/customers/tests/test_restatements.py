"""What customers tells again to a service that was not there when it was told first."""

import pytest
from chassis import restating
from chassis.bus.handlers import Received
from chassis.callers import service_caller
from chassis.names import new_id
from chassis.sharing import ShareLevel
from customers.restatements import RESTATEMENTS
from customers.theatres.assignments import begin, end
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.end_shares import unshare_customer
from customers.usecases.share_customer import ShareDraft, share_customer

ME = service_caller("customers")


@pytest.fixture
def told(database, facts, monkeypatch):
    """All that is told again, in pages of two."""
    monkeypatch.setattr(restating, "PAGE", 2)
    monkeypatch.setattr("customers.restatements.PAGE", 2)
    handler = restating.subscription("customers", RESTATEMENTS)

    def tell():
        before = len(facts())
        request = {"source": "customers", "events": [each.event for each in RESTATEMENTS]}
        while request:
            seen = len(facts())
            event = Received(new_id(), "crm.common.v1.StateRequested", "leads", "", database.clock(), "", request)
            with database.write(ME) as session:
                handler.handle(session, event)
            request = next((data for kind, data in facts()[seen:] if kind == "StateRequested"), None)
        return [(kind, data) for kind, data in facts()[before:] if kind != "StateRequested"]

    return tell


def test_customers_deletions_and_shares_are_told_as_they_are(database, organisation, told):
    li = organisation.li.caller()
    with database.write(li) as session:
        kept = [create_customer(session, CustomerDraft({"display_name": f"客户{n}"}, {})) for n in range(3)]
        gone = [create_customer(session, CustomerDraft({"display_name": f"旧客户{n}"}, {})) for n in range(3)]
    with database.write(li) as session:
        for customer in gone:
            delete_customer(session, customer.id)
        shares = [
            share_customer(session, ShareDraft(one.id, organisation.zhao.id, None, ShareLevel.READ_ONLY))
            for one in kept
        ]
        unshare_customer(session, shares[0].id)
    events = told()
    restated = [state for kind, data in events if kind == "CustomersRestated" for state in data["customers"]]
    assert {(state["customer"], state["version"], state["owner"]) for state in restated} == {
        (customer.name, customer.version, organisation.li.name) for customer in kept
    }
    assert [len(data["customers"]) for kind, data in events if kind == "CustomersRestated"] == [2, 1]
    assert sorted(data["customer"] for kind, data in events if kind == "CustomerDeleted") == sorted(
        customer.name for customer in gone
    )
    told_shares = {data["customer"]: (data["version"], data["active"]) for kind, data in events if "grantee" in data}
    assert told_shares == {kept[0].name: (2, False), kept[1].name: (1, True), kept[2].name: (1, True)}


def test_theatres_are_told_as_they_follow_or_followed(database, organisation, told):
    with database.write(organisation.li.caller()) as session:
        customer = create_customer(session, CustomerDraft({"display_name": "华诚"}, {}))
    theatre, zhao = new_id(), organisation.zhao
    with database.write(ME) as session:
        end(session, [begin(session, customer.id, new_id(), zhao.id, None)])
        begin(session, customer.id, theatre, zhao.id, organisation.west)
    events = [data for kind, data in told() if kind == "CustomerTheatreChanged"]
    assert sorted((one["version"], one["active"], one["owner_department_path"]) for one in events) == [
        (1, True, organisation.west),
        (2, False, ""),
    ]
    [live] = [one for one in events if one["active"]]
    assert (live["customer"], live["theatre"], live["owner"]) == (customer.name, f"departments/{theatre}", zhao.name)


def test_a_company_without_customers_has_nothing_to_tell(told):
    assert told() == []
