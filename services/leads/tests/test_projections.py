"""What is kept of customers and the organisation."""

from chassis.callers import service_caller
from chassis.names import new_id
from leads.model import KnownCustomer
from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers
from leads.usecases.learn_organisation import forget_department, learn_department, learn_user

ME = service_caller("leads")


def kept(database, key):
    with database.read(ME) as session:
        row = session.get_one(KnownCustomer, key)
        return row.version, row.display_name, row.owner_department_path, row.deleted


def test_only_newer_states_count(database, known):
    key = known(name="甲", version=2)
    known(id=key, name="乙", version=1)
    assert kept(database, key)[:2] == (2, "甲")
    with database.write(ME) as session:
        learn_customers(session, [CustomerFacts(key, 4, "丁", None, None), CustomerFacts(key, 3, "丙", None, None)])
        learn_customers(session, [])
    assert kept(database, key)[:2] == (4, "丁")


def test_a_deleted_customer_stays_deleted(database, known):
    key, unknown = known(version=2), new_id()
    with database.write(ME) as session:
        forget_customer(session, key, 2)
        forget_customer(session, unknown, 1)
    known(id=key, version=9)
    known(id=unknown, version=1)
    assert kept(database, key)[3] is True
    assert kept(database, unknown)[3] is True


def test_customers_are_where_their_owners_are(database, known):
    owner, team = new_id(), new_id()
    key = known(owner, "r/old/")
    with database.write(ME) as session:
        learn_user(session, owner, 1, team, "r/a/")
    assert kept(database, key)[2] == "r/a/"
    with database.write(ME) as session:
        learn_department(session, team, 2, "r/b/")
        learn_department(session, team, 1, "r/a/")
    assert kept(database, key)[2] == "r/b/"
    assert kept(database, known(owner, "r/old/"))[2] == "r/b/"
    with database.write(ME) as session:
        learn_user(session, owner, 2, team, "r/a/")
    assert kept(database, key)[2] == "r/b/"
    with database.write(ME) as session:
        forget_department(session, team)
