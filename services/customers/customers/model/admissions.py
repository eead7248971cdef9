"""Leads that were taken in as customers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class LeadAdmission(Base):
    """A conversion of a lead: admitted, or called off before it could be."""

    __tablename__ = "lead_admission"
    __table_args__ = (
        # A lead becomes a customer once.
        Index("uq_lead_admission_lead", "lead_id", unique=True, postgresql_where=text("NOT cancelled")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The conversion's."""
    lead_id: Mapped[UUID]
    customer_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    cancelled: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if it was called off: it is never admitted."""
    create_time: Mapped[datetime]
