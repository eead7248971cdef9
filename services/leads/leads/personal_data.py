"""What this service holds about people: leads by whom to talk to, and what follow-ups say of them."""

from collections.abc import Iterator, Sequence

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.names import make_name, parse_name
from chassis.personal_data import Finding, FreeText, Person, PersonalData, Redactor, deleted, former
from sqlalchemy import ColumnElement, String, Text, cast, func, or_, select

from leads.calls import personal as calls
from leads.capture import personal as submissions
from leads.facts import snapshot
from leads.model import (
    Call,
    CaptureSubmission,
    FollowUp,
    Lead,
    LeadAssignment,
    LeadConversion,
    LeadEvent,
    Plan,
    PlanDeviation,
    Task,
    Visit,
)
from leads.tasks.queries import SUBJECT
from leads.usecases.erase_person import FOLLOW_UP, LEAD, erase_person
from leads.visits import personal as visits


def describe(session: ServiceSession, person: Person) -> Person:
    """Whom this service takes for a person, and what it knows the person by."""
    ids = person.ids("leads")
    there = {*session.scalars(select(Lead.id).where(Lead.id.in_(ids))), *deleted.ids(session, "leads", ids)}
    if ids - there:
        raise NotFound("PERSON_NOT_FOUND", "there is no such record", field="subject")
    known = Person().merged(*(_known(lead) for lead in _leads(session, person)), deleted.known(session, person))
    return known.merged(former(session, known.records))


def find(session: ServiceSession, person: Person) -> Sequence[Finding]:
    """All that tells of a person."""
    leads = [
        Finding(LEAD, lead.name, snapshot(lead), marks=frozenset({*lead.phones, *lead.emails}))
        for lead in _leads(session, person)
    ]
    own = {parse_name("leads", lead.name) for lead in leads}
    found = (submissions.find(session, person, own), visits.find(session, person), calls.find(session, person))
    return [*leads, *_follow_ups(session, person), *(one for each in found for one in each)]


_PLACE = func.coalesce("customers/" + cast(Plan.customer_id, Text), "leads/" + cast(Plan.lead_id, Text))
"""The resource name of what a plan is about."""

PERSONAL_DATA = PersonalData(
    service="leads",
    describe=describe,
    find=find,
    erase=erase_person,
    texts=(
        FreeText(Lead.requirement),
        FreeText(Lead.remark),
        FreeText(Lead.rejection_reason),
        FreeText(Task.title, place=SUBJECT),
        FreeText(Task.description, place=SUBJECT),
        FreeText(Task.cancel_reason, place=SUBJECT),
        FreeText(Task.checklist, place=SUBJECT),
        FreeText(Visit.note, place=visits.PLACE),
        FreeText(Visit.review_note, place=visits.PLACE),
        FreeText(Call.note, place=calls.PLACE),
        FreeText(Lead.status_note),
        FreeText(LeadEvent.note, place="leads/" + cast(LeadEvent.lead_id, String)),
        FreeText(LeadConversion.opportunity),
        FreeText(Lead.source_detail),
        FreeText(Lead.medium),
        FreeText(Lead.campaign),
        FreeText(Lead.campaign_term),
        FreeText(Lead.campaign_content),
        FreeText(Lead.landing_page),
        FreeText(Lead.external_id),
        FreeText(CaptureSubmission.external_id),
        FreeText(CaptureSubmission.problems),
        FreeText(LeadAssignment.decline_reason, place="leads/" + cast(LeadAssignment.lead_id, String)),
        FreeText(Plan.title, place=_PLACE),
        FreeText(Plan.place, place=_PLACE),
        FreeText(Plan.guests, place=_PLACE),
        FreeText(Plan.result, place=_PLACE),
        FreeText(Plan.cancel_reason, place=_PLACE),
        FreeText(PlanDeviation.result),
        FreeText(PlanDeviation.cancel_reason),
    ),
    collections=frozenset({"leads"}),
)


def _leads(session: ServiceSession, person: Person) -> Iterator[Lead]:
    """The leads whose contact is the person, in the order of their ids."""
    ids = person.ids("leads")
    same: list[ColumnElement[bool]] = [Lead.id.in_(ids)]
    for column, values in ((Lead.phones, person.phones), (Lead.emails, person.emails)):
        if values:
            same.append(column.overlap(sorted(values)))
    for lead in session.scalars(select(Lead).where(or_(*same)).order_by(Lead.id)):
        if lead.id in ids or person.bears(lead.contact_name):
            yield lead


def _known(lead: Lead) -> Person:
    return Person(
        records=frozenset({lead.name}),
        names=frozenset({lead.contact_name} if lead.contact_name else ()),
        phones=frozenset(lead.phones),
        emails=frozenset(lead.emails),
        wechats=frozenset({lead.wechat} if lead.wechat else ()),
    )


def _follow_ups(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """Those with the person, and those that tell a number or address of the person, or name the person where one would
    look for that."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    own = [
        FollowUp.contact_id.in_(person.ids("contacts")),
        FollowUp.customer_id.in_(person.ids("customers")),
        FollowUp.lead_id.in_(person.ids("leads")),
    ]
    matches: list[ColumnElement[bool]] = [*own]
    if anywhere.pattern:
        matches.append(FollowUp.content.regexp_match(anywhere.pattern, "i"))
    places = person.place_ids("customers")
    if there.pattern:
        matches.append(FollowUp.customer_id.in_(places) & FollowUp.content.regexp_match(there.pattern, "i"))
    contacts, leads = person.ids("contacts"), person.ids("leads")
    for follow_up in session.scalars(select(FollowUp).where(or_(*matches)).order_by(FollowUp.id)):
        linked = follow_up.contact_id in contacts or follow_up.customer_id in places or follow_up.lead_id in leads
        yield Finding(
            kind=FOLLOW_UP,
            name=follow_up.name,
            values=_values(follow_up),
            about=person.records if linked else frozenset(),
            marks=frozenset(mark for mark in person.marks if Redactor(person.only(mark)).mentions(follow_up.content)),
        )


def _values(follow_up: FollowUp) -> dict[str, object]:
    return {
        "customer": make_name("customers", follow_up.customer_id),
        "lead": make_name("leads", follow_up.lead_id),
        "contact": make_name("contacts", follow_up.contact_id),
        "method": follow_up.method,
        "content": follow_up.content,
        "occur_time": follow_up.occur_time,
        "next_contact_time": follow_up.next_contact_time,
        "author": follow_up.author,
        "create_time": follow_up.create_time,
    }
