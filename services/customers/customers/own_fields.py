"""The company's own fields of customers."""

from collections.abc import Mapping
from typing import Any

from chassis import custom_fields
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation

ENTITY = "customer"
CONTACT_ENTITY = "contact"


def judge(
    session: ServiceSession, values: Mapping[str, Any], *, current: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[Violation]]:
    """The values in their stored form together with the current ones, and what is wrong with them."""
    try:
        return custom_fields.validate(session, ENTITY, values, current=current), []
    except Invalid as error:
        return {}, list(error.violations) or [Violation("custom_fields", error.reason, error.message)]
