"""Which leads and customers a lead may be the same as, and why; see `leads.duplicates` for what is refused by that."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, Select, and_, false, func, literal, or_, select, true, union_all
from sqlalchemy.orm import aliased

from leads.lead_queries import get_lead
from leads.lead_queries import reach as lead_reach
from leads.model import KnownCustomer, Lead
from leads.subjects import lead_title, reach_customers

MOST_OF_EACH = 20
"""How many are told of each of several leads."""
REASONS = ("CREDIT_CODE", "COMPANY_NAME", "PHONE", "EMAIL")
"""Why two records may be the same, as the columns are called. The names are those of `LeadDuplicateReason`."""

_THIS = aliased(Lead, name="this")
"""The lead that others are compared with."""


@dataclass(frozen=True)
class Duplicates:
    """What a lead may be the same as."""

    page: Page[Any]
    """Rows with the collection, id, title and owner of a record, and a column for each reason."""
    concealed: int
    """How many more there are that the caller may not see."""


def list_duplicates(session: ServiceSession, lead_id: UUID, *, page_size: int, page_token: str) -> Duplicates:
    """A page of what a lead may be the same as, the newest first. Raises NotFound."""
    get_lead(session, lead_id)
    leads, customers = (one.where(_THIS.id == lead_id) for one in (_leads(session), _customers()))
    shown = [leads.where(lead_reach(session, "lead.read"))]
    if session.caller.granted("customer.read"):
        shown.append(customers.where(reach_customers(session, "customer.read")))
    seen = union_all(*shown).subquery()
    everything = union_all(leads, customers).subquery()
    key = SortKey(seen.c.id, descending=True, nullable=False)
    mark = paging.fingerprint("lead-duplicates", str(lead_id))
    page = paging.fetch_page(session, select(seen), [key], paging.page_size(page_size), page_token, mark)
    numbers = select(
        select(func.count()).select_from(everything).scalar_subquery()
        - select(func.count()).select_from(seen).scalar_subquery()
    )
    return Duplicates(page, session.scalar(numbers) or 0)


def duplicates_of(session: ServiceSession, lead_ids: Collection[UUID]) -> dict[UUID, list[Any]]:
    """The newest of what each of some leads may be the same as, as far as the caller may see it, by two statements for
    however many. Leads that the caller does not read are left out."""
    reached = session.scalars(select(Lead.id).where(Lead.id.in_(lead_ids), lead_reach(session, "lead.read"))).all()
    found: dict[UUID, list[Any]] = {key: [] for key in reached}
    kinds = [_leads(session).where(lead_reach(session, "lead.read"))]
    if session.caller.granted("customer.read"):
        kinds.append(_customers().where(reach_customers(session, "customer.read")))
    for each in kinds:
        newest = each.correlate(_THIS).order_by(each.selected_columns.id.desc()).limit(MOST_OF_EACH).lateral()
        rows = select(_THIS.id.label("lead_id"), newest).join(newest, true()).where(_THIS.id.in_(reached))
        for row in session.execute(rows):
            found[row.lead_id].append(row)
    by_age = partial(sorted, key=lambda row: row.id, reverse=True)
    return {key: by_age(rows)[:MOST_OF_EACH] for key, rows in found.items()}


def _leads(session: ServiceSession) -> Select[Any]:
    shared = [
        and_(func.cardinality(column) > 0, other.overlap(column))
        for column, other in ((_THIS.phones, Lead.phones), (_THIS.emails, Lead.emails))
    ]
    reasons = [*_company(Lead), *shared]
    return _select("leads", Lead, lead_title(session).label("title"), reasons).where(Lead.id != _THIS.id)


def _customers() -> Select[Any]:
    reasons = [*_company(KnownCustomer), false(), false()]
    return _select("customers", KnownCustomer, KnownCustomer.display_name.label("title"), reasons).where(
        ~KnownCustomer.deleted
    )


def _select(collection: str, entity: Any, title: Any, reasons: Sequence[ColumnElement[bool]]) -> Select[Any]:
    columns: list[Any] = [literal(collection).label("collection"), entity.id, title, entity.owner_id]
    columns += [func.coalesce(met, False).label(reason) for reason, met in zip(REASONS, reasons, strict=True)]
    return select(*columns).where(or_(false(), *reasons))


def _company(entity: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether a record bears the lead's credit code, and whether it bears its name and no other code."""
    code = entity.credit_code == _THIS.credit_code
    either = or_(_THIS.credit_code.is_(None), entity.credit_code.is_(None), code)
    return code, and_(entity.company_key != "", entity.company_key == _THIS.company_key, either)
