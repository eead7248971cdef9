"""What records of work are about: a lead, or a customer. And who is to do it."""

from uuid import UUID

from chassis.names import make_name
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class OfSubject:
    """Columns of a table whose rows are about a lead or a customer: tasks, plans, visits, calls.

    A row keeps the lead that it was about when the lead becomes a customer, and is about the customer from then on: a
    table has the constraint `num_nonnulls(lead_id, customer_id) > 0`, and an index on either column. `leads.subjects`
    finds the table by this class, and moves its rows along when leads are converted and customers are merged.
    """

    lead_id: Mapped[UUID | None]
    customer_id: Mapped[UUID | None]

    @property
    def subject(self) -> str:
        """The resource name of what the row is about."""
        return make_name("customers", self.customer_id) or make_name("leads", self.lead_id)


class OfAssignee:
    """Columns of a table whose rows are somebody's work. They move with the assignee's department: see
    `leads.usecases.learn_organisation`."""

    assignee_id: Mapped[UUID | None]
    assignee_department_path: Mapped[str | None]


class MovedRecord(Base):
    """A row about a customer that got another customer by a merge, and whose it was."""

    __tablename__ = "moved_record"

    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """The table's name."""
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    """Of a lead, the contact that it had become."""


class MergedRecord(Base):
    """A customer, or a contact of one, that became one with another by a merge that was not undone."""

    __tablename__ = "merged_record"
    __table_args__ = (Index("ix_merged_record_record", "record_id"),)

    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    into_id: Mapped[UUID]
