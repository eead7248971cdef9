"""Custom fields of all types."""

from chassis.migrations import widen_custom_fields

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    widen_custom_fields()
