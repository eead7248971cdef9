"""Reads: purchases, what they sum up to, and how customers score by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from chassis.prepared import Prepared
from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, func, select, true

from customers.model import Customer
from customers.model.purchases import Purchase, PurchaseKind, RfmRun, RfmScore, RfmState
from customers.purchases.rfm import SEGMENT_CODES, TYPE_CODES, newest_run
from customers.queries import PURCHASES, REACHABLE, no_customer, place_of, reach


def _total(kind: PurchaseKind) -> ColumnElement[Decimal]:
    return func.coalesce(func.sum(Purchase.base_amount).filter(Purchase.kind == kind.value), Decimal(0))


_BUYS = Purchase.kind != PurchaseKind.REFUND.value
_TOTALS: Any = select(
    func.count().filter(Purchase.kind == PurchaseKind.ORDER.value).label("order_count"),
    _total(PurchaseKind.ORDER).label("ordered"),
    func.count().filter(Purchase.kind == PurchaseKind.PAYMENT.value).label("payment_count"),
    _total(PurchaseKind.PAYMENT).label("paid"),
    _total(PurchaseKind.REFUND).label("refunded"),
    func.min(Purchase.time).filter(_BUYS).label("first_time"),
    func.max(Purchase.time).filter(_BUYS).label("last_time"),
    func.array_agg(Purchase.source.distinct()).label("sources"),
    func.max(Purchase.record_time).label("last_record_time"),
)
_INSIGHT = Prepared(_TOTALS.where(Purchase.customer_id == bindparam("customer_id", type_=Uuid)))
_NEWEST_RUN = newest_run().scalar_subquery()


def require_customer(session: ServiceSession, customer_id: UUID) -> None:
    """Raise NotFound for a customer that is not there, or whose purchases the caller may not see."""
    statement = select(Customer.id).where(Customer.id == customer_id, reach(session, PURCHASES))
    if session.scalar(statement) is None:
        raise no_customer()


def may_see(session: ServiceSession, customer: Any) -> bool:
    """Whether the caller may see the purchases of a customer, given as a row. Nobody is refused who lacks the
    permission."""
    granted = bool(session.caller.granted(PURCHASES))
    return granted and REACHABLE.reaches(session, PURCHASES, *place_of(customer))


def list_purchases(session: ServiceSession, customer_id: UUID, *, page_size: int, page_token: str) -> Page[Purchase]:
    """A page of a customer's purchases, the newest first."""
    size = paging.page_size(page_size)
    require_customer(session, customer_id)
    keys = [SortKey(column, descending=True, nullable=False) for column in (Purchase.time, Purchase.id)]
    statement = select(Purchase).where(Purchase.customer_id == customer_id)
    mark = paging.fingerprint("purchases", str(customer_id))
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def purchase_insight(session: ServiceSession, customer_id: UUID) -> tuple[Any, str]:
    """What a customer has bought so far, as a row, and the currency of its amounts. For callers that may see it."""
    return _INSIGHT.first(session, customer_id=customer_id), organisation(session).currency


def get_run(session: ServiceSession, run_id: UUID) -> RfmRun:
    """An analysis. Raises NotFound."""
    run = session.get(RfmRun, run_id)
    if run is None:
        raise _no_run()
    return run


def list_runs(session: ServiceSession, *, page_size: int, page_token: str) -> Page[RfmRun]:
    """A page of the analyses, the newest first."""
    size = paging.page_size(page_size)
    key = SortKey(RfmRun.id, descending=True, nullable=False)
    return paging.fetch_page(session, select(RfmRun), [key], size, page_token, paging.fingerprint("rfm runs"))


def run_of_day(session: ServiceSession, day: date | None) -> RfmRun:
    """The newest analysis of a day, or of the latest day that there is one for. Raises NotFound RFM_NOT_RUN."""
    statement = select(RfmRun).where(RfmRun.state == RfmState.SUCCEEDED)
    if day is not None:
        statement = statement.where(RfmRun.analysis_date == day)
    run = session.scalars(statement.order_by(RfmRun.analysis_date.desc(), RfmRun.id.desc()).limit(1)).first()
    if run is None:
        message = f"there is no analysis {'of ' + day.isoformat() if day else 'yet'}; start one with RunRfm"
        raise NotFound("RFM_NOT_RUN", message, field="analysis_date")
    return run


def get_score(session: ServiceSession, customer_id: UUID, day: date | None) -> tuple[RfmScore, RfmRun]:
    """How a customer scores as of a day. Raises NotFound."""
    require_customer(session, customer_id)
    run = run_of_day(session, day)
    score = session.get(RfmScore, (run.id, customer_id))
    if score is None:
        message = "the customer bought nothing in the period of the analysis, so it has no score"
        raise NotFound("RFM_NOT_SCORED", message, field="customer")
    return score, run


def newest_score(session: ServiceSession, customer_id: UUID) -> tuple[RfmScore, RfmRun] | None:
    """How a customer that the caller may see scores in the newest analysis; None if it does not."""
    statement = select(RfmScore, RfmRun).join(RfmRun, RfmRun.id == RfmScore.run_id)
    found = session.execute(
        statement.where(RfmScore.run_id == _NEWEST_RUN, RfmScore.customer_id == customer_id)
    ).first()
    return (found[0], found[1]) if found is not None else None


def list_scores(
    session: ServiceSession,
    day: date | None,
    *,
    segments: Sequence[str],
    types: Sequence[str],
    page_size: int,
    page_token: str,
) -> tuple[RfmRun, Page[RfmScore]]:
    """A page of the scores of the customers that the caller may see, those of the greatest value first."""
    size = paging.page_size(page_size)
    run = run_of_day(session, day)
    statement = _visible_scores(session, run.id, select(RfmScore)).where(
        RfmScore.segment.in_(segments) if segments else true(), RfmScore.type.in_(types) if types else true()
    )
    keys = [SortKey(column, descending=True, nullable=False) for column in (RfmScore.monetary, RfmScore.customer_id)]
    mark = paging.fingerprint("rfm scores", str(run.id), list_mark(segments), list_mark(types))
    return run, paging.fetch_page(session, statement, keys, size, page_token, mark)


def list_mark(values: Sequence[str]) -> str:
    """Values as one text that differs if they differ."""
    return ",".join(sorted(values))


@dataclass(frozen=True)
class SummaryLine:
    """The customers of a segment or a type: how many, and what they bought in the organisation's currency."""

    code: str
    customers: int = 0
    monetary: Decimal = Decimal(0)


@dataclass(frozen=True)
class Summary:
    """How the customers that the caller may see lie in segments and types."""

    run: RfmRun
    segments: list[SummaryLine]
    types: list[SummaryLine]


def summary(session: ServiceSession, day: date | None) -> Summary:
    """The summary of a day's analysis. Raises NotFound RFM_NOT_RUN."""
    run = run_of_day(session, day)
    counted: Any = select(RfmScore.segment, RfmScore.type, func.count(), func.sum(RfmScore.monetary))
    rows = session.execute(_visible_scores(session, run.id, counted).group_by(RfmScore.segment, RfmScore.type)).all()

    def lines(codes: Sequence[str], position: int) -> list[SummaryLine]:
        mine = {code: [row for row in rows if row[position] == code] for code in codes}
        return [
            SummaryLine(code, sum(row[2] for row in found), sum((row[3] for row in found), Decimal(0)))
            for code, found in mine.items()
        ]

    return Summary(run, lines(SEGMENT_CODES, 0), lines(TYPE_CODES, 1))


def _visible_scores(session: ServiceSession, run_id: UUID, statement: Select[Any]) -> Select[Any]:
    visible = and_(RfmScore.run_id == run_id, reach(session, PURCHASES))
    return statement.join(Customer, Customer.id == RfmScore.customer_id).where(visible)


def _no_run() -> NotFound:
    return NotFound("RFM_RUN_NOT_FOUND", "there is no such analysis")
