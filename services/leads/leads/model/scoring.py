"""By what leads are scored."""

from datetime import datetime
from typing import Any

from chassis import written
from sqlalchemy import CheckConstraint, Double
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base

written.exempt("scoring_model", "what was learned from leads; whoever had it learned is in the log of jobs")


class ScoringRules(Base):
    """The one row that holds the rules by which leads are scored, once the company has set them."""

    __tablename__ = "scoring_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    """See `leads.scoring.rules.Rules`."""
    update_time: Mapped[datetime]


class ScoringModel(Base):
    """The one row that holds what was learned from leads last."""

    __tablename__ = "scoring_model"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    in_use: Mapped[bool]
    """True if it beats the rules on leads that it was not trained on."""
    intercept: Mapped[float] = mapped_column(Double)
    weights: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `leads.scoring.learning.Weight`."""
    measures: Mapped[dict[str, Any]]
    """How it was judged: see `leads.scoring.learning.Verdict`."""
    train_time: Mapped[datetime]
