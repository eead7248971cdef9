"""Rules that the company sets by which work is judged."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class CompanyRules(Base):
    """The rules of one kind, once the company has set them."""

    __tablename__ = "company_rules"

    kind: Mapped[str] = mapped_column(primary_key=True)
    """What they are for: the resource name of the rules, e.g. `visitRules`."""
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    update_time: Mapped[datetime]
