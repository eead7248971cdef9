"""Who changed what, when, and how it was before: one entry per write, in the transaction of the write.

Entries are sealed into blocks, each of which holds the digests of its entries and the hash of the block before,
so that an entry altered, removed or slipped in afterwards is found by `verify`. Writers take no lock for it:
`seal` runs on its own and takes the entries that nothing can precede any more, in the order (xid, id), namely
those of transactions older than any still running.
"""

from chassis.audit.chain import head, seal, unsealed
from chassis.audit.entries import (
    COPY_FROM,
    Change,
    NewRecords,
    Origin,
    ReadyChanges,
    canonical,
    origin_of,
    prepare,
    record,
    record_all,
    write_prepared,
)
from chassis.audit.erasure import erase
from chassis.audit.model import AuditBlock, AuditEntry, create_tip
from chassis.audit.verification import Break, BrokenLink, Progress, Verification, verify, verify_from

__all__ = [
    "COPY_FROM",
    "AuditBlock",
    "AuditEntry",
    "Break",
    "BrokenLink",
    "Change",
    "NewRecords",
    "Origin",
    "Progress",
    "ReadyChanges",
    "Verification",
    "canonical",
    "create_tip",
    "erase",
    "head",
    "origin_of",
    "prepare",
    "record",
    "record_all",
    "seal",
    "unsealed",
    "verify",
    "verify_from",
    "write_prepared",
]
