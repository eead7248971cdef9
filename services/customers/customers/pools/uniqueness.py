"""What is unique among pools, refused in the terms of the contract."""

from chassis.db import ServiceSession
from chassis.errors import Duplicate
from sqlalchemy.exc import IntegrityError

_FIELDS = {"uq_pool_display_name": "display_name", "uq_pool_precedence": "precedence"}


def flush_unique(session: ServiceSession) -> None:
    """Write what is pending. Raises Duplicate if another pool has the name or the place in the order."""
    try:
        session.flush()
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if constraint not in _FIELDS:
            raise
        field = _FIELDS[constraint]
        raise Duplicate(
            "DUPLICATE_POOL", f"another pool has this {field}: choose a different one", field=field
        ) from None
