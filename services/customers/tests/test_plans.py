"""Lists take the index that suits what is asked for: the planner is not misled by common words or values."""

import random
from uuid import UUID

import pytest
from chassis.callers import Reach, service_caller
from chassis.formats import name_key
from chassis.names import new_id
from chassis.search import grams
from chassis.sharing import RecordShare
from crm.common.v1 import filter_pb2
from customers import queries
from customers.model import Customer, searched_text
from customers.usecases.learn_organisation import UserFacts, learn_user
from psycopg.types.json import Jsonb
from sqlalchemy import event, select, text

ROWS = 20_000
OWNERS = [UUID(int=1000 + number) for number in range(10)]
COLUMNS = (
    "id, kind, display_name, name_key, owner_id, owner_department_path, status, phones, emails, tags, custom,"
    " search_text, grams, creator, version, create_time, update_time"
)
TYPES = [
    "uuid", "text", "text", "text", "uuid", "text", "text", "text[]", "text[]", "text[]", "jsonb", "text", "int4[]",
    "text", "int4", "timestamptz", "timestamptz",
]  # fmt: skip


@pytest.fixture
def archive(database, organisation, clock):
    """20,000 companies of 10 owners; one in 10,000 has the rare status."""
    dice = random.Random(7)
    signs = [chr(0x4E00 + number) for number in range(400)]
    with database.engine.begin() as connection:
        cursor = connection.connection.driver_connection.cursor()
        with cursor.copy(f"COPY customer ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(TYPES)
            for number in range(ROWS):
                name = "".join(dice.choices(signs, k=5)) + f"{number}有限公司"
                phone = f"+861{dice.randrange(10**10):010d}"
                found_by = searched_text(name, [phone], [])
                copy.write_row(
                    (
                        new_id(),
                        "COMPANY",
                        name,
                        name_key(name),
                        dice.choice(OWNERS),
                        organisation.east,
                        "LOST" if number % 10_000 == 0 else dice.choice(["POTENTIAL", "WON"]),
                        [phone],
                        [],
                        [],
                        Jsonb({}),
                        found_by,
                        grams(found_by),
                        "users/x",
                        1,
                        clock.now,
                        clock.now.replace(second=number % 60, microsecond=number),
                    )
                )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE customer"))


@pytest.fixture
def plan_of(database, organisation, archive):
    def plan(query="", caller=None, **equal):
        """The plan of a list."""
        conditions = [
            filter_pb2.Filter(
                condition=filter_pb2.Condition(
                    field=field,
                    operator=filter_pb2.OPERATOR_EQUAL,
                    values=[filter_pb2.FilterValue(text=value)],
                )
            )
            for field, value in equal.items()
        ]
        wanted = filter_pb2.Filter(all=filter_pb2.FilterList(filters=conditions))
        sent = []

        def note(connection, cursor, statement, parameters, context, executemany):
            sent.append((statement, parameters))

        with database.read(caller or organisation.boss.caller()) as session:
            event.listen(session.get_bind(), "before_cursor_execute", note)
            queries.list_customers(session, conditions=wanted, query=query, order_by=[], page_size=50, page_token="")
            event.remove(session.get_bind(), "before_cursor_execute", note)
            statement, parameters = sent[-1]
            driver = session.connection().connection.driver_connection
            rows = driver.execute(f"EXPLAIN (COSTS OFF) {statement}", parameters).fetchall()
        return "\n".join(row[0] for row in rows)

    return plan


def test_lists_take_the_index_that_suits(plan_of):
    owner = f"users/{OWNERS[3]}"
    assert "ix_customer_owner" in plan_of(owner=owner, status="WON")
    assert "ix_customer_update_time" in plan_of()
    assert "ix_customer_update_time" in plan_of("有限公司")
    assert "ix_customer_grams" not in plan_of("有限公司", owner=owner, status="WON")
    assert "ix_customer_grams" in plan_of("1234有限")
    assert "ix_customer_grams" in plan_of("没有这样的名字", owner=owner)
    assert "ix_customer_status" in plan_of(status="LOST")


def test_a_search_is_planned_anew_for_each_word(database, organisation, archive):
    """A general plan for all words would read the whole index of grams for the commonest one."""
    with database.read(organisation.boss.caller()) as session:
        for _ in range(15):
            queries.list_customers(
                session, conditions=filter_pb2.Filter(), query="有限公司", order_by=[], page_size=50, page_token=""
            )
        driver = session.connection().connection.driver_connection
        statements = driver.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    searches = [statement for (statement,) in statements if "search_text LIKE" in statement]
    assert searches
    # Grams are literals; of a word whose grams most rows have, none are asked for.
    assert not [each for each in searches if "grams @>" in each and "grams @> ARRAY[" not in each]


@pytest.fixture
def shares(database, organisation, archive, clock):
    """A hundred companies of others shared with Zhao, among those shared with strangers."""
    times = {"create_time": clock.now, "update_time": clock.now}
    with database.write(organisation.boss.caller()) as session:
        for number, key in enumerate(session.scalars(select(Customer.id).where(Customer.owner_id == OWNERS[1]))):
            grantee = organisation.zhao.name if number < 100 else f"users/{new_id()}"
            what = {"entity": "customer", "record_id": key, "grantee": grantee, "level": "READ_ONLY"}
            session.add(RecordShare(**what, **times, creator="users/x", version=1))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE record_share"))


def test_shared_customers_are_found_by_their_ids_and_others_keep_their_plan(organisation, plan_of, shares):
    plan = plan_of(caller=organisation.zhao.caller(reach=Reach.SELF))
    assert {"ix_record_share_grantee", "ix_customer_owner", "pk_customer"} <= set(plan.replace("(", " ").split())
    assert "Seq Scan" not in plan
    plan = plan_of(caller=organisation.wang.caller(reach=Reach.SELF))
    assert "Index Scan Backward using ix_customer_owner" in plan
    assert "record_share" not in plan


def test_whose_customers_came_at_once_is_followed_by_looking_at_each_a_few_times(database, organisation, archive):
    """The planner takes who had no customers when it last looked for somebody who has none."""
    li, mine = organisation.li, {"id": organisation.li.id, "path": organisation.li.path, "former": OWNERS[0]}
    with database.engine.begin() as connection:
        given = text("UPDATE customer SET owner_id = :id, owner_department_path = :path WHERE owner_id = :former")
        many = connection.execute(given, mine).rowcount
    facts = UserFacts(li.id, 2, li.username, li.username, UUID(int=7), li.path, active=False)
    fetched = text(
        "SELECT sum(idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('customer', 'known_user')"
    )
    with database.write(service_caller("customers")) as session:
        before = session.scalar(fetched)
        learn_user(session, facts)
        looked_at = session.scalar(fetched) - before
    assert many > 1_000
    assert many <= looked_at < 30 * many
