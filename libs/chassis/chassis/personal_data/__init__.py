"""Personal data: a copy of all that the suite holds about a person, its erasure, and what keeps it from being erased.

The service that manages people announces `PersonalDataRequested`. A service that says what it holds (`PersonalData`)
collects or erases it in the transaction of the event, and announces `PersonalDataProcessed` with counts. What it
collects stays in its own database, sealed, until somebody downloads it or it expires: the data themselves never go over
the broker.

Legal holds come by event, too. They name records, and know numbers and addresses by blind indexes alone.
"""

from chassis.personal_data.holds import Holds, current_holds, digests, keep_hold, refuse_held
from chassis.personal_data.model import KnownLegalHold, PersonalDataTask, create_tables, purge
from chassis.personal_data.participants import Finding, PersonalData
from chassis.personal_data.people import Person, pseudonym
from chassis.personal_data.processing import subscriptions
from chassis.personal_data.redaction import REDACTED, Redactor

__all__ = [
    "REDACTED",
    "Finding",
    "Holds",
    "KnownLegalHold",
    "Person",
    "PersonalData",
    "PersonalDataTask",
    "Redactor",
    "create_tables",
    "current_holds",
    "digests",
    "keep_hold",
    "pseudonym",
    "purge",
    "refuse_held",
    "subscriptions",
]
