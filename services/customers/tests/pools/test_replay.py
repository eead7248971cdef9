"""The ledger's replay finds what does not fit, and names the first of it."""

import pytest
from customers.commands import verify_ledger
from customers.holders import Holder
from customers.main import SERVICE
from customers.model import ChangeKind
from customers.pools.replay import Fault, replay
from customers.usecases.claim_customers import claim_customers
from customers.usecases.delete_customer import delete_customer
from sqlalchemy import text


@pytest.fixture
def history(play, east, organisation):
    """Two customers with some changes of hands; the second has gone."""
    first, second = play.pooled(east, 2)
    play.write(organisation.li.caller(), claim_customers, [first, second])
    play.put([first], Holder(pool_id=east), ChangeKind.RELEASED)
    play.write(organisation.boss.caller(), delete_customer, second)
    return first, second


def look(play):
    with play.database.read(play.organisation.boss.caller()) as session:
        return replay(session)


def test_what_happened_leads_to_what_is(play, history):
    verdict = look(play)
    assert (verdict.changes, verdict.customers, verdict.mismatch) == (6, 2, None)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE customer SET pool_id = NULL", Fault.OTHER_HOLDER),
        ("UPDATE customer SET held_since = held_since + interval '1 second'", Fault.OTHER_HOLDER),
        ("DELETE FROM holding_change WHERE customer_id = :first AND kind = 'CLAIMED'", Fault.GAP),
        ("DELETE FROM holding_change WHERE customer_id = :second AND kind = 'DELETED'", Fault.MISSING),
        ("DELETE FROM holding_change WHERE customer_id = :first", Fault.UNRECORDED),
        ("DELETE FROM customer", Fault.MISSING),
        ("UPDATE holding_change SET kind = 'DELETED' WHERE customer_id = :first", Fault.AFTER_END),
    ],
)
def test_what_does_not_fit_is_named(play, history, statement, fault):
    first, second = history
    with play.database.engine.begin() as connection:
        bound = {key: value for key, value in (("first", first), ("second", second)) if f":{key}" in statement}
        connection.execute(text(statement), bound)
    mismatch = look(play).mismatch
    assert mismatch.fault is fault
    assert mismatch.customer_id == (second if fault is Fault.MISSING and ":second" in statement else first)


def test_the_command_line_tells(play, history, capsys):
    [command] = [each for each in SERVICE.commands if (each.group, each.name) == ("ledger", "verify")]

    class Here:
        database = play.database

    assert command.run is verify_ledger
    assert verify_ledger(Here()) == 0
    assert "6 changes of 2 customers" in capsys.readouterr().out
    with play.database.engine.begin() as connection:
        connection.execute(text("UPDATE customer SET pool_id = NULL"))
    assert verify_ledger(Here()) == 1
    assert str(history[0]) in capsys.readouterr().err
