"""Custom fields of all types."""

from chassis.migrations import widen_custom_fields

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    widen_custom_fields()
