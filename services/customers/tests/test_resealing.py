"""The data key is changed while the service runs: what it sealed is found and opens all the time, and without the old
key in the end."""

import pytest
from chassis import personal_data, resealing
from chassis.encryption import DataKeys, SealBroken, new_key
from chassis.personal_data import Person
from chassis.personal_data.model import DeletedRecord
from chassis.testing import make_caller
from customers.main import SERVICE
from customers.model import Contact, Customer
from customers.personal_data import PERSONAL_DATA
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.undo_merge import undo_merge
from sqlalchemy import select

OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"
NUMBERS = ("11010519491231002X", "440308199901101512")


@pytest.fixture
def play(database, organisation):
    """A contact with a number, one that was deleted, and one whose number is in what undoes a merge."""
    database.data_keys = DataKeys.parse(OLD)
    with database.write(organisation.boss.caller()) as session:
        company = create_customer(session, CustomerDraft({"display_name": "甲公司"}, {}))
        other = create_customer(session, CustomerDraft({"display_name": "甲公司分部"}, {}))
        contact = create_contact(session, company.id, {"display_name": "欧阳娜", "identity_number": NUMBERS[0]})
        merged = create_contact(session, other.id, {"display_name": "王芳", "identity_number": NUMBERS[1]})
        gone = create_contact(session, company.id, {"display_name": "李雷", "emails": ["li@person.example"]})
        delete_contact(session, gone.id)
        merge = merge_customers(session, MergeDraft(company.id, [other.id])).merge
        return {"contact": contact.id, "merged": merged.id, "merge": merge.id, "gone": gone.name}


def bearers(session):
    """Whom the numbers and the address find."""
    found = Person().merged(
        *(PERSONAL_DATA.describe(session, Person(identity_numbers=frozenset({number}))) for number in NUMBERS),
        PERSONAL_DATA.describe(session, Person(emails=frozenset({"li@person.example"}))),
    )
    return {record for record in found.records if record.startswith("contacts/")}


def run(database):
    return {done.what: (done.renewed, done.stuck) for done in resealing.reseal(database, SERVICE)}


def test_a_new_key_takes_over_while_values_are_found_and_the_old_one_can_go(database, play):
    everybody = {f"contacts/{play['contact']}", f"contacts/{play['merged']}", play["gone"]}
    database.data_keys = DataKeys.parse(f"{NEW},{OLD}")
    with database.write(make_caller()) as session:
        assert bearers(session) == everybody
        column = Contact.__table__.c.identity_number_sealed
        assert resealing.reseal_batch(session, column, 1)[0] == 1
        assert resealing.outdated(session, column) == 1
        assert bearers(session) == everybody
    done = run(database)
    assert done["contact.identity_number_sealed"] == (1, 0)
    assert done["customer_merge.snapshot"] == (1, 0)
    assert done["deleted_record.content"] == (2, 0)
    assert {count for count, _ in run(database).values()} == {0}
    database.data_keys = DataKeys.parse(NEW)
    with database.write(make_caller()) as session:
        assert bearers(session) == everybody
        under_new = set(personal_data.digests(session.data_keys, {"li@person.example"}))
        stored = select(DeletedRecord.digests).where(DeletedRecord.record == play["gone"])
        assert under_new <= set(session.scalars(stored).one())
        undo_merge(session, play["merge"])
        assert session.get(Contact, play["merged"]).identity_number(session.data_keys) == NUMBERS[1]


def test_what_no_key_opens_is_told_and_stops_nothing(database, play):
    database.data_keys = DataKeys.parse(NEW)
    with database.write(make_caller()) as session:
        person = CustomerDraft({"display_name": "赵六", "kind": "PERSON", "identity_number": NUMBERS[0]}, {})
        known = create_customer(session, person).id
    newest = f"newest:{new_key()}"
    database.data_keys = DataKeys.parse(f"{newest},{NEW}")
    done = run(database)
    assert done["customer.identity_number_sealed"] == (1, 0)
    assert done["contact.identity_number_sealed"] == (0, 2)
    assert done["customer_merge.snapshot"] == (0, 2)
    with database.read(make_caller()) as session:
        assert session.get(Customer, known).identity_number(session.data_keys) == NUMBERS[0]
        with pytest.raises(SealBroken):
            session.get(Contact, play["contact"]).identity_number(session.data_keys)
