"""What the company's own fields belong to, and the judgement on values that are not kept yet."""

from collections.abc import Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Violation

ENTITY = "customer"
CONTACT_ENTITY = "contact"


def judge(
    session: ServiceSession, values: Mapping[str, Any], *, current: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[Violation]]:
    """The values of a customer in their stored form with the current ones, and what is wrong with them."""
    from chassis.custom_records import Judge  # which need what this module is needed for

    from customers.own_records import CUSTOMERS, judged

    return judged(Judge(session, CUSTOMERS), values, current=current)
