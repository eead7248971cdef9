"""Handing over what somebody who leaves is responsible for, in each service that keeps records with an owner.

The service that manages people announces `OffboardingStarted`. A service that says what it hands over (`Handover`)
notes a task per kind of records (`start`) and does it by a job in small transactions (`run`): every record is listed
once with its successor, and then given to it. What is committed stays, whatever dies; nothing is given twice. Each step
is announced by `HandoverProgressed`.
"""

from chassis.handover.entities import Handover, HandoverEntity, Move, find_successors
from chassis.handover.model import HandoverItem, HandoverTask, create_tables, purge
from chassis.handover.rules import Planned, Rule, deal
from chassis.handover.running import job_kind
from chassis.handover.starting import subscription

__all__ = [
    "Handover",
    "HandoverEntity",
    "HandoverItem",
    "HandoverTask",
    "Move",
    "Planned",
    "Rule",
    "create_tables",
    "deal",
    "find_successors",
    "job_kind",
    "purge",
    "subscription",
]
