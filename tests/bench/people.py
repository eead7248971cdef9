"""What a page of people takes in a company of 1,000 people in 100 departments, beside reading one of them.

python tests/bench/people.py
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from uuid import uuid4

from crm.identity.v1 import user_service_pb2 as pb
from databases import fresh_database
from identity.main import SERVICE
from identity.testing import Suite, grant, running_suite
from sqlalchemy import text

ROUNDS = 100
TARGET_MS = 50


def company(suite: Suite) -> list[str]:
    """Ten theatres of ten offices; ten people in each office."""
    offices = []
    for _ in range(10):
        theatre = suite.department()
        offices += [suite.department(theatre.name) for _ in range(9)] + [theatre]
    people = [
        {
            "id": uuid4(),
            "name": f"mass.{number}",
            "department": office.name.removeprefix("departments/"),
            "path": office.path,
        }
        for number, office in enumerate(offices * 10)
    ]
    with suite.runtime.database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO user_account (id, username, display_name, department_id, department_path, state, locale, "
                "password_hash, version, create_time, update_time) VALUES (:id, :name, '群众', :department, :path, "
                "'ACTIVE', 'zh-CN', '-', 1, now(), now())"
            ),
            people,
        )
        connection.execute(
            text(
                "INSERT INTO user_role SELECT user_account.id, role.id FROM user_account, role "
                "WHERE role.display_name = '销售代表' AND username LIKE 'mass.%'"
            )
        )
    return [office.name for office in offices]


def milliseconds(call: Callable[[], object]) -> float:
    """The median of some calls."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def measure(suite: Suite) -> bool:
    """Measure and print. Returns whether the target is met."""
    offices, met = company(suite), True
    for scope in ("DEPARTMENT_TREE", "ALL"):
        user, metadata = suite.somebody(grant("user.read", scope), department=offices[9])
        one = milliseconds(lambda: suite.users.GetUser(pb.GetUserRequest(name=user.name), metadata=metadata))  # noqa: B023
        page = milliseconds(lambda: suite.users.ListUsers(pb.ListUsersRequest(page_size=200), metadata=metadata))  # noqa: B023
        met = met and page < TARGET_MS
        print(
            f"page of 200, {scope:15} {page:6.1f} ms, {page / one:.1f} × reading one (under {TARGET_MS} ms)", flush=True
        )
    return met


def main() -> int:
    """Run the benchmark; 1 if the target is missed."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        return 0 if measure(stack.enter_context(running_suite(url))) else 1


if __name__ == "__main__":
    sys.exit(main())
