"""What former owners of customers are still due."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class OwnershipPolicy(Base):
    """The one row that holds the company's rule for former owners, once it has set one."""

    __tablename__ = "ownership_policy"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, default=1)
    version: Mapped[int] = mapped_column(BigInteger)
    former_owner_share: Mapped[Decimal]
    """What a former owner is due on the day they lose a customer: a fraction of 1."""
    decay_days: Mapped[int] = mapped_column(BigInteger)
    """After how many days nothing of it is left."""
    update_time: Mapped[datetime]
