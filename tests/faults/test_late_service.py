"""A service that is installed after the others comes to know what it would have known from the start."""

import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.bus.topology import connected, dead_letter_queue
from chassis.settings import Settings
from chassis.testing import eventually
from leads.main import SERVICE as LEADS
from local_suite.graphql import GraphQLClient

COLLEAGUES = 600
"""More than are told of in one transaction."""
KEPT = ("alembic_version", "test_clock")
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
SHARE = "mutation($input: ShareCustomerInput!) { shareCustomer(input: $input) { id } }"
MOVE = "mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { id } }"
TRUTH = {
    "users": (
        "identity",
        "SELECT id, department_id, department_path, state = 'ACTIVE' FROM user_account",
        "SELECT id, department_id, department_path, active FROM known_user",
    ),
    "departments": (
        "identity",
        "SELECT id, path, theatre FROM department",
        "SELECT id, path, theatre FROM known_department",
    ),
    "customers": (
        "customers",
        "SELECT id, display_name, owner_id, owner_department_path FROM customer",
        "SELECT id, display_name, owner_id, owner_department_path FROM known_customer WHERE NOT deleted",
    ),
    "shares": (
        "customers",
        "SELECT record_id, grantee, level, revoke_time IS NULL FROM record_share WHERE entity = 'customer'",
        "SELECT record_id, grantee, level, revoke_time IS NULL FROM record_share WHERE entity = 'customer'",
    ),
    "organisation": (
        "identity",
        "SELECT version, state->>'time_zone' FROM known_organisation",
        "SELECT version, state->>'time_zone' FROM known_organisation",
    ),
}
"""What leads keeps of others' records: who owns them, what they are there, and what leads knows."""


class Reorganisation(threading.Thread):
    """Moves departments to and fro until it is told to stop."""

    def __init__(self, admin: GraphQLClient, departments: list[str], places: list[str]) -> None:
        super().__init__()
        self.admin, self.departments, self.places = admin, departments, places
        self.moves = 0
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            department = self.departments[self.moves % len(self.departments)]
            place = self.places[self.moves // len(self.departments) % len(self.places)]
            # One that is not answered in time is tried again.
            self.moves += "errors" not in self.admin.answer(MOVE, input={"id": department, "parentId": place})
            self.ending.wait(0.1)  # faster moves than are handled would only pile up


def rows(suite, service: str, query: str) -> set:
    with suite.database(service) as connection:
        return set(connection.execute(query).fetchall())


def differences(suite) -> dict[str, int]:
    """In how many rows leads knows otherwise than is so, by kind."""
    found = {
        kind: len(rows(suite, owner, true) ^ rows(suite, "leads", known))
        for kind, (owner, true, known) in TRUTH.items()
    }
    return {kind: count for kind, count in found.items() if count}


def uninstall_leads(suite) -> None:
    """Leave of the service what there is before it is installed: an empty database, and no queues."""
    with connected(suite.environment["AMQP_URL"]) as connection:
        channel = connection.channel()
        runtime = SimpleNamespace(settings=Settings.read(suite.environment))
        for subscription in LEADS.subscriptions(runtime):
            channel.queue_delete(subscription.queue)
            channel.queue_delete(dead_letter_queue(subscription.queue))
    with suite.database("leads") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        names = ", ".join(name for (name,) in tables if name not in KEPT)
        connection.execute(f"TRUNCATE {names}")
        connection.execute("INSERT INTO audit_tip (id, number, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'))")


def take_on_colleagues(suite, user: str) -> None:
    """Many more people like one. Nobody has told of them."""
    with suite.database("identity") as connection:
        connection.execute(
            """
            INSERT INTO user_account SELECT (jsonb_populate_record(one, jsonb_build_object(
              'id', gen_random_uuid(), 'username', 'late-' || gen_random_uuid(),
              'email', null, 'phone', null, 'login_phone', null))).*
            FROM user_account AS one, generate_series(1, %s) WHERE one.id = %s
            """,
            (COLLEAGUES, user.removeprefix("users/")),
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_service_installed_later_knows_what_one_knows_that_was_there(suite, admin, organisation):
    places = [organisation.department(name) for name in ("东部", "西部")]
    teams = [organisation.department(f"{number}组") for number in range(4)]
    people = [organisation.user(team)[0] for team in teams]
    take_on_colleagues(suite, organisation.user(organisation.department("后勤"))[0])
    customers = [admin.run(CREATE, input={"name": f"迟到{uuid4().hex[:8]}"})["createCustomer"]["id"] for _ in range(5)]
    for person, customer in zip(people, customers, strict=False):
        share = {"id": customer, "userId": person, "level": "READ_ONLY"}
        eventually(lambda share=share: admin.answer(SHARE, input=share)["data"]["shareCustomer"])

    suite.halt("leads-work")
    uninstall_leads(suite)
    reorganisation = Reorganisation(admin, teams, places)
    reorganisation.start()
    eventually(lambda: reorganisation.moves >= len(teams), timeout=120)
    missed = reorganisation.moves
    assert differences(suite)
    suite.start("leads-work")
    eventually(lambda: rows(suite, "leads", "SELECT id FROM known_user"), timeout=120)
    moved_meanwhile = reorganisation.moves
    eventually(lambda: reorganisation.moves > moved_meanwhile, timeout=120)
    reorganisation.ending.set()
    reorganisation.join()
    assert reorganisation.moves > missed
    eventually(lambda: not differences(suite), timeout=180)
    assert len(rows(suite, "leads", "SELECT id FROM known_user")) > COLLEAGUES
