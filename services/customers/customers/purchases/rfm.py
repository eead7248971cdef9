"""The scores of customers by recency, frequency and monetary value (RFM).

Each score is a quintile, 1 to 5, 5 being the best; recency is reversed, so that those who bought last score 5. The
quintiles are those of NTILE(5), with one difference: equal values get equal scores, all of them the lowest that
NTILE gives to one of them. Scored are the customers with a purchase in the period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from chassis.db import ServiceSession
from chassis.organisation import organisation
from sqlalchemy import CursorResult, Select, select, text

from customers.days import beginning
from customers.model.purchases import PurchaseKind, RfmRun, RfmState

DEFAULT_PERIOD_DAYS = 365
MAX_PERIOD_DAYS = 3660


def newest_run() -> Select[UUID]:
    """The id of the newest analysis that has succeeded; no row if there is none."""
    runs = select(RfmRun.id).where(RfmRun.state == RfmState.SUCCEEDED.value)
    return runs.order_by(RfmRun.analysis_date.desc(), RfmRun.id.desc()).limit(1)


class RfmBase(StrEnum):
    """What counts as a purchase. The names are those of `crm.customers.v1.RfmBase`."""

    ORDER = "ORDER"
    PAYMENT = "PAYMENT"


class RfmMethod(StrEnum):
    """How the quintiles are cut. The names are those of `crm.customers.v1.RfmMethod`."""

    INDEPENDENT = "INDEPENDENT"
    """Each score over all customers."""
    NESTED = "NESTED"
    """Recency over all, frequency within each score of recency, monetary value within each pair of both."""


@dataclass(frozen=True)
class RfmParameters:
    """How customers are scored."""

    period_days: int = DEFAULT_PERIOD_DAYS
    base: RfmBase = RfmBase.ORDER
    method: RfmMethod = RfmMethod.INDEPENDENT
    gross: bool = False
    """True if refunds are not taken off the monetary value."""


@dataclass(frozen=True)
class SegmentBounds:
    """A segment by the least and the greatest of each score."""

    segment: str
    r: tuple[int, int]
    f: tuple[int, int]
    m: tuple[int, int]


SEGMENTS: Sequence[SegmentBounds] = (
    SegmentBounds("CHAMPIONS", (5, 5), (5, 5), (5, 5)),
    SegmentBounds("POTENTIAL_LOYALIST", (3, 5), (3, 5), (2, 5)),
    SegmentBounds("LOYAL", (2, 4), (2, 4), (2, 4)),
    SegmentBounds("PROMISING", (3, 4), (1, 3), (3, 5)),
    SegmentBounds("NEW", (4, 5), (1, 3), (1, 5)),
    SegmentBounds("CANT_LOSE", (1, 2), (3, 4), (4, 5)),
    SegmentBounds("AT_RISK", (1, 2), (2, 5), (4, 5)),
    SegmentBounds("NEED_ATTENTION", (1, 3), (3, 5), (3, 5)),
    SegmentBounds("ABOUT_TO_SLEEP", (2, 3), (1, 3), (1, 4)),
    SegmentBounds("LOST", (1, 1), (1, 5), (1, 5)),
)
"""The bounds of the CRAN package `rfm`, 0.3.0. They overlap, so the first that fits holds, and leave holes."""
OTHERS = "OTHERS"
SEGMENT_CODES = (*(one.segment for one in SEGMENTS), OTHERS)

TYPE_CODES = (
    "IMPORTANT_VALUE",
    "IMPORTANT_DEVELOP",
    "IMPORTANT_KEEP",
    "IMPORTANT_RETAIN",
    "GENERAL_VALUE",
    "GENERAL_DEVELOP",
    "GENERAL_KEEP",
    "GENERAL_RETAIN",
)
"""重要价值, 发展, 保持, 挽留 and the same with 一般: by whether R, F and M lie above the mean of the scores."""

_DIMENSIONS = (("r", "recency_days DESC"), ("f", "frequency"), ("m", "monetary"))


def score(session: ServiceSession, run_id: UUID, day: date, parameters: RfmParameters) -> int:
    """Score all customers as of a day and keep the scores. Returns how many were scored."""
    statement = text(_statement(parameters.method))
    kinds = [parameters.base] if parameters.gross else [parameters.base, PurchaseKind.REFUND]
    end = day + timedelta(days=1)
    values = {
        "run_id": run_id,
        "day": day,
        "zone": organisation(session).zone.key,
        "start": beginning(session, end - timedelta(days=parameters.period_days)),
        "end": beginning(session, end),
        "base": str(parameters.base),
        "kinds": [str(kind) for kind in kinds],
    }
    return cast(CursorResult[Any], session.execute(statement, values)).rowcount


def _statement(method: RfmMethod) -> str:
    """One statement for all customers: aggregate, cut three times, name the segment and the type.

    No value is written into the text: all names are constants of this module.
    """
    cuts, last = _cuts(method)
    return f"""
    INSERT INTO rfm_score (run_id, customer_id, recency_days, frequency, monetary, r, f, m, segment, type)
    WITH bought AS (
      SELECT customer_id,
        :day - (max(time) FILTER (WHERE kind = :base) AT TIME ZONE :zone)::date AS recency_days,
        count(*) FILTER (WHERE kind = :base) AS frequency,
        sum(CASE WHEN kind = :base THEN base_amount ELSE -base_amount END) AS monetary
      FROM purchase
      WHERE time >= :start AND time < :end AND kind = ANY(:kinds)
      GROUP BY customer_id HAVING count(*) FILTER (WHERE kind = :base) > 0
    ), {cuts}, meant AS (
      SELECT *, r > avg(r) OVER () AS r_high, f > avg(f) OVER () AS f_high, m > avg(m) OVER () AS m_high FROM {last}
    )
    SELECT :run_id, customer_id, recency_days, frequency, monetary, r, f, m, {_segment_case()}, {_type_case()}
    FROM meant
    """  # noqa: S608


def _cuts(method: RfmMethod) -> tuple[str, str]:
    """The tables that add the three scores one after the other, and the last of them."""
    tables, before, within = [], "bought", ""
    for name, order in _DIMENSIONS:
        part = f"PARTITION BY {within}" if within else ""
        peers = ", ".join(filter(None, (within, order.partition(" ")[0])))
        tables += [
            f"{name}_cut AS (SELECT *, ntile(5) OVER ({part} ORDER BY {order}) AS {name}_tile FROM {before})",  # noqa: S608
            f"{name}_scored AS (SELECT *, min({name}_tile) OVER (PARTITION BY {peers}) AS {name} FROM {name}_cut)",  # noqa: S608
        ]
        before = f"{name}_scored"
        if method is RfmMethod.NESTED:
            within = ", ".join(filter(None, (within, name)))
    return ", ".join(tables), before


def _segment_case() -> str:
    branches = []
    for one in SEGMENTS:
        bounds = {"r": one.r, "f": one.f, "m": one.m}
        fits = " AND ".join(f"{name} BETWEEN {low} AND {high}" for name, (low, high) in bounds.items())
        branches.append(f"WHEN {fits} THEN '{one.segment}'")
    return f"CASE {' '.join(branches)} ELSE '{OTHERS}' END"


def _type_case() -> str:
    return """CASE WHEN m_high THEN 'IMPORTANT_' ELSE 'GENERAL_' END || CASE
      WHEN r_high AND f_high THEN 'VALUE' WHEN r_high THEN 'DEVELOP' WHEN f_high THEN 'KEEP' ELSE 'RETAIN' END"""
