"""The look through all customers for duplicates, as a job.

It notes the keys of every customer, compares those that share one, and joins likely pairs to groups. The first step
goes on where it stood if the process dies; the others begin anew, and change nothing until they end.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice
from typing import Any
from uuid import UUID

from chassis.copying import copy_cells, write_lines
from chassis.db import ServiceSession
from chassis.jobs import JobKind, JobRun
from sqlalchemy import delete, func, select, text

from customers.duplicate_finding.candidates import contacts_of
from customers.duplicate_finding.grouping import Pair, grouped, store_groups
from customers.duplicate_finding.starting import KIND, follow_scan, hold_scans
from customers.matching import LIKELY, Profile, blocking, compare
from customers.model import Customer
from customers.model.duplicates import DuplicateGroup, DuplicateKey, DuplicateMember, GroupState

CHUNK = 5_000
MOST_OF_A_KEY = 50
"""A key that more customers have tells nothing of them. Fifty make 1,225 pairs."""
_PAIRS = 20_000

_COLUMNS = [
    Customer.__table__.c[key]
    for key in (
        "id", "kind", "display_name", "credit_code", "phones", "emails", "website", "province", "city", "district",
        "street", "identity_number_index",
    )
]  # fmt: skip
_BLOCKS = text(
    "SELECT array_agg(customer_id ORDER BY customer_id) FROM duplicate_key WHERE scan_id = :scan "
    "GROUP BY key HAVING count(*) BETWEEN 2 AND :most"
)
_CROWDS = text(
    "SELECT count(*) FROM ("
    "SELECT key FROM duplicate_key WHERE scan_id = :scan GROUP BY key HAVING count(*) > :most) AS crowd"
)


def job_kind() -> JobKind:
    """The kind of these jobs."""
    return JobKind(KIND, run_scan)


def run_scan(run: JobRun) -> None:
    """Go through all customers from the job's checkpoint on."""
    with run.reading() as session:
        total = session.scalar(select(func.count()).select_from(Customer)) or 0
    run.announce(total=total, result={})
    while _note_keys(run):
        pass
    with run.reading() as session:
        pairs, compared = _likely_pairs(session, run.job_id)
        crowds = session.scalar(_CROWDS, {"scan": run.job_id, "most": MOST_OF_A_KEY}) or 0
    with run.transaction() as session:
        groups = store_groups(session, run.job_id, grouped(pairs))
        session.execute(delete(DuplicateKey).where(DuplicateKey.scan_id == run.job_id))
        result = {"compared_pairs": compared, "groups": groups, "passed_over_keys": crowds}
        hold_scans(session)
        run.succeed(session, total=run.processed, result=result)
        follow_scan(session, run.job_id)


def _note_keys(run: JobRun) -> bool:
    """Note the keys of the next customers. False if there are none."""
    after = run.checkpoint.get("after")
    statement = select(*_COLUMNS).order_by(Customer.id).limit(CHUNK)
    if after is not None:
        statement = statement.where(Customer.id > UUID(after))
    with run.transaction() as session:
        rows = session.execute(statement).all()
        if not rows:
            return False
        profiles = _with_contacts(session, rows)
        lines = [
            copy_cells([str(run.job_id), str(key), str(customer_id)])
            for customer_id, profile in profiles
            for key in {_number(key) for key in blocking.keys(profile)}
        ]
        write_lines(session, "duplicate_key", ("scan_id", "key", "customer_id"), lines)
        run.advance(
            session,
            processed=run.processed + len(rows),
            counters={},
            checkpoint={"after": str(rows[-1].id)},
        )
    return True


def _with_contacts(session: ServiceSession, rows: Sequence[Any]) -> list[tuple[UUID, Profile]]:
    contacts = contacts_of(session, [row.id for row in rows])
    found = []
    for row in rows:
        phones, emails = contacts.get(row.id, ((), ()))
        found.append((row.id, Profile.of(row, contact_phones=phones, contact_emails=emails)))
    return found


def _number(key: str) -> int:
    """A key as a number of 64 bits. Two keys that fall together cost a comparison, no more."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), signed=True)


def _likely_pairs(session: ServiceSession, scan_id: UUID) -> tuple[list[Pair], int]:
    """The likely pairs that nobody has dismissed, and how many were compared."""
    dismissed = _dismissed(session)
    candidates = {
        pair
        for (block,) in session.execute(_BLOCKS, {"scan": scan_id, "most": MOST_OF_A_KEY})
        for pair in combinations(block, 2)
    }
    found: list[Pair] = []
    for part in _parts(sorted(candidates - dismissed)):
        ids = {key for pair in part for key in pair}
        rows = session.execute(select(*_COLUMNS).where(Customer.id.in_(ids))).all()
        profiles = dict(_with_contacts(session, rows))
        for one, other in part:
            if one in profiles and other in profiles:
                match = compare(profiles[one], profiles[other])
                if match.score >= LIKELY:
                    codes = profiles[one].credit_code, profiles[other].credit_code
                    found.append(Pair(match.score, one, other, match.reasons, codes))
    return found, len(candidates)


def _parts(pairs: Iterable[tuple[UUID, UUID]]) -> Iterator[list[tuple[UUID, UUID]]]:
    source = iter(pairs)
    while part := list(islice(source, _PAIRS)):
        yield part


def _dismissed(session: ServiceSession) -> set[tuple[UUID, UUID]]:
    """The pairs that somebody said are different customers."""
    statement = (
        select(func.array_agg(DuplicateMember.customer_id))
        .join(DuplicateGroup, DuplicateGroup.id == DuplicateMember.group_id)
        .where(DuplicateGroup.state == GroupState.DISMISSED)
        .group_by(DuplicateGroup.id)
    )
    return {pair for (members,) in session.execute(statement) for pair in combinations(sorted(members), 2)}
