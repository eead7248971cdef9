"""Keep up with the customers service's customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import sharing
from chassis.db import ServiceSession
from chassis.prepared import Prepared
from sqlalchemy import Uuid, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from leads.model import CUSTOMER, KnownCustomer, KnownTheatre, KnownUser
from leads.promises import await_acknowledgement


@dataclass(frozen=True)
class CustomerFacts:
    """A customer as an event tells it."""

    id: UUID
    version: int
    display_name: str
    owner_id: UUID | None
    owner_department_path: str | None
    company_key: str = ""
    """What a company is known by; empty for a person."""
    credit_code: str | None = None


def learn_customers(session: ServiceSession, facts: Sequence[CustomerFacts]) -> None:
    """Note customers, and let what was promised to those that have other owners now wait for these. A state older than
    the known one changes nothing, nor does any state of a deleted customer."""
    newest = {fact.id: fact for fact in sorted(facts, key=lambda fact: fact.version)}
    if not newest:
        return
    session.flush()  # prepared statements see nothing that is not written
    given = _given_to_others(session, newest)
    paths = _paths(session, {fact.owner_id for fact in newest.values() if fact.owner_id})
    # In one order, so that two events about the same customers cannot wait for each other.
    ordered = sorted(newest.values(), key=lambda fact: fact.id)
    _KEEP.write(
        session,
        now=session.now,
        ids=[fact.id for fact in ordered],
        versions=[fact.version for fact in ordered],
        names=[fact.display_name for fact in ordered],
        company_keys=[fact.company_key for fact in ordered],
        credit_codes=[fact.credit_code for fact in ordered],
        owners=[fact.owner_id for fact in ordered],
        paths=[paths.get(fact.owner_id, fact.owner_department_path) for fact in ordered],
    )
    await_acknowledgement(session, given)


_KEEP = Prepared(
    text(
        """
    INSERT INTO known_customer AS known (id, version, display_name, company_key, credit_code, owner_id,
      owner_department_path, owner_since, deleted)
    SELECT id, version, display_name, company_key, credit_code, owner_id, path, CAST(:now AS timestamptz), false
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:names AS text[]),
                CAST(:company_keys AS text[]), CAST(:credit_codes AS text[]), CAST(:owners AS uuid[]),
                CAST(:paths AS text[]))
      WITH ORDINALITY AS fact (id, version, display_name, company_key, credit_code, owner_id, path, place)
    ORDER BY place
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, display_name = excluded.display_name,
      company_key = excluded.company_key, credit_code = excluded.credit_code, owner_id = excluded.owner_id,
      owner_department_path = excluded.owner_department_path,
      owner_since = CASE WHEN known.owner_id IS NOT DISTINCT FROM excluded.owner_id THEN known.owner_since
                    ELSE excluded.owner_since END
    WHERE known.version < excluded.version AND NOT known.deleted
        """
    )
)
_KNOWN = Prepared(
    select(KnownCustomer.id, KnownCustomer.version, KnownCustomer.owner_id).where(
        KnownCustomer.id == any_(bindparam("ids", type_=ARRAY(Uuid))), ~KnownCustomer.deleted
    )
)
_OWNERS = Prepared(
    select(KnownUser.id, KnownUser.department_path)
    .where(KnownUser.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(KnownUser.id)
    .with_for_update(read=True)
)


def forget_customer(session: ServiceSession, customer_id: UUID, version: int) -> None:
    """Note that a customer was deleted, and with it its shares and which theatres follow it."""
    sharing.forget_record(session, CUSTOMER, customer_id)
    session.execute(delete(KnownTheatre).where(KnownTheatre.customer_id == customer_id))
    statement = insert(KnownCustomer).values(id=customer_id, version=version, display_name="", deleted=True)
    gone = {"version": version, "display_name": "", "company_key": "", "credit_code": None, "deleted": True}
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=gone))


def _given_to_others(session: ServiceSession, newest: Mapping[UUID, CustomerFacts]) -> list[UUID]:
    """Those of the customers that are known with other owners."""
    rows = _KNOWN.all(session, ids=list(newest))
    return [row.id for row in rows if row.version < newest[row.id].version and row.owner_id != newest[row.id].owner_id]


def _paths(session: ServiceSession, owners: set[UUID]) -> dict[UUID | None, str | None]:
    """Where owners are by the identity service's own word, share-locked: see `learn_organisation`."""
    return {row.id: row.department_path for row in _OWNERS.all(session, ids=list(owners))} if owners else {}
