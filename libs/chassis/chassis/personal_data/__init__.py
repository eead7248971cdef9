"""Personal data: a copy of all that the suite holds about a person, its erasure, and what keeps it from being erased.

The service that manages people announces `PersonalDataRequested`. A service that says what it holds (`PersonalData`)
collects or erases it in the transaction of the event, and announces `PersonalDataProcessed` with counts. What it
collects stays in its own database, sealed, until somebody downloads it or it expires: the data themselves never go over
the broker.

Legal holds come by event, too. They name records, and know numbers and addresses by blind indexes alone. What is
deleted is set aside for those that come later (`deleted`); what comes late of somebody who was erased is redacted on
its way (`echoes`).
"""

from chassis.personal_data import deleted
from chassis.personal_data.former import former
from chassis.personal_data.holds import Holds, current_holds, holds_in_force, keep_hold, refuse_held
from chassis.personal_data.model import KnownLegalHold, PersonalDataTask, create_tables, digests
from chassis.personal_data.participants import Finding, FreeText, PersonalData
from chassis.personal_data.people import Person, pseudonym
from chassis.personal_data.processing import subscriptions
from chassis.personal_data.redaction import REDACTED, Redactor
from chassis.personal_data.retention import purge

__all__ = [
    "REDACTED",
    "Finding",
    "FreeText",
    "Holds",
    "KnownLegalHold",
    "Person",
    "PersonalData",
    "PersonalDataTask",
    "Redactor",
    "create_tables",
    "current_holds",
    "deleted",
    "digests",
    "former",
    "holds_in_force",
    "keep_hold",
    "pseudonym",
    "purge",
    "refuse_held",
    "subscriptions",
]
