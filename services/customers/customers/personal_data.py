"""What this service holds about people: persons among the customers, contacts, and what texts say of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.personal_data import Finding, Person, PersonalData, Redactor
from sqlalchemy import ColumnElement, Select, Text, cast, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from customers.facts import contact_snapshot, marks, snapshot
from customers.model import Contact, Customer, CustomerKind, TimelineEntry
from customers.model.identity_numbers import PURPOSE
from customers.usecases.erase_person import CONTACT, CUSTOMER, REMARK, TIMELINE, erase_person

Human = Customer | Contact


def describe(session: ServiceSession, person: Person) -> Person:
    """Whom this service takes for a person, and what it knows the person by."""
    _refuse_companies(session, person.ids("customers"))
    _refuse_missing(session, person)
    found = list(_humans(session, person))
    known = Person().merged(*(_known(session, human) for human in found))
    companies = {f"customers/{human.customer_id}" for human in found if isinstance(human, Contact)}
    shared = _shared(session, known, found)
    return Person(
        records=known.records,
        places=frozenset(companies) - known.records,
        names=known.names,
        phones=known.phones - shared,
        emails=known.emails - shared,
        wechats=known.wechats,
        identity_numbers=known.identity_numbers,
    )


def find(session: ServiceSession, person: Person) -> Sequence[Finding]:
    """All that tells of a person."""
    humans = list(_humans(session, person))
    own = {human.name for human in humans}
    return [
        *(_finding(session, human) for human in humans),
        *_timeline(session, person),
        *(each for each in _remarks(session, person) if each.name not in own),
    ]


PERSONAL_DATA = PersonalData(
    service="customers",
    describe=describe,
    find=find,
    erase=erase_person,
    collections=frozenset({"customers", "contacts"}),
)


def _refuse_companies(session: ServiceSession, ids: Iterable[UUID]) -> None:
    companies = select(Customer.id).where(Customer.id.in_(ids), Customer.kind == CustomerKind.COMPANY)
    if session.scalar(companies) is not None:
        message = "a company is no person; name one of its contacts"
        raise Invalid("SUBJECT_NOT_A_PERSON", message, field="subject")


def _refuse_missing(session: ServiceSession, person: Person) -> None:
    for collection, entity in (("customers", Customer), ("contacts", Contact)):
        ids = person.ids(collection)
        there = set(session.scalars(select(entity.id).where(entity.id.in_(ids))))
        if ids - there:
            raise NotFound("PERSON_NOT_FOUND", "there is no such record", field="subject")


def _humans(session: ServiceSession, person: Person) -> Iterator[Human]:
    """The customers and contacts that are the person, each once, in the order of their ids."""
    digests = _digests(session, person)
    kinds: tuple[tuple[type[Human], str], ...] = ((Customer, "customers"), (Contact, "contacts"))
    for entity, collection in kinds:
        ids, sharing = person.ids(collection), _sharing(entity, person)
        same = or_(entity.id.in_(ids), entity.identity_number_index.in_(digests), *sharing)
        statement: Select[Any] = select(entity).where(same).order_by(entity.id)
        if entity is Customer:
            statement = statement.where(Customer.kind == CustomerKind.PERSON)
        for human in session.scalars(statement):
            sure = human.id in ids or human.identity_number_index in digests
            if sure or person.bears(human.display_name):
                yield human


def _sharing(entity: type[Customer] | type[Contact], person: Person) -> list[ColumnElement[bool]]:
    columns = ((entity.phones, person.phones), (entity.emails, person.emails))
    return [type_coerce(column, ARRAY(Text)).overlap(sorted(values)) for column, values in columns if values]


def _digests(session: ServiceSession, person: Person) -> list[bytes]:
    numbers = person.identity_numbers
    return [digest for number in numbers for digest in session.data_keys.blind_indexes(number, PURPOSE)]


def _known(session: ServiceSession, human: Human) -> Person:
    number = human.identity_number(session.data_keys)
    wechat = human.wechat if isinstance(human, Contact) else None
    return Person(
        records=frozenset({human.name}),
        names=frozenset({human.display_name}),
        phones=frozenset(human.phones),
        emails=frozenset(human.emails),
        wechats=frozenset({wechat} if wechat else ()),
        identity_numbers=frozenset({number} if number else ()),
    )


def _shared(session: ServiceSession, known: Person, own: Sequence[Human]) -> set[str]:
    """Numbers and addresses that others bear as well, such as a company's switchboard: they do not tell the person."""
    ids = [human.id for human in own]
    shared: set[str] = set()
    for entity in (Customer, Contact):
        sharing = _sharing(entity, known)
        if sharing:
            others = select(entity.display_name, entity.phones, entity.emails)
            rows = session.execute(others.where(or_(*sharing), entity.id.not_in(ids)))
            # Under the same name it is the person once more, as a customer and as a contact.
            strangers = [row for row in rows if not known.bears(row.display_name)]
            shared |= set(chain.from_iterable(chain(row.phones, row.emails) for row in strangers))
    return shared


def _finding(session: ServiceSession, human: Human) -> Finding:
    values = snapshot(human) if isinstance(human, Customer) else contact_snapshot(human)
    number = human.identity_number(session.data_keys)
    return Finding(
        kind=CUSTOMER if isinstance(human, Customer) else CONTACT,
        name=human.name,
        values=values | ({"identity_number": number} if number else {}),
        marks=marks(session.data_keys, human),
    )


def _timeline(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """What happened with the person, and what elsewhere names the person."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    own, places = person.ids("customers"), person.place_ids("customers")
    text = func.concat(TimelineEntry.summary, " ", cast(TimelineEntry.details, Text))
    matches: list[ColumnElement[bool]] = [TimelineEntry.customer_id.in_(own)]
    matches += [text.regexp_match(anywhere.pattern, "i")] if anywhere.pattern else []
    if there.pattern:
        matches.append(TimelineEntry.customer_id.in_(places) & text.regexp_match(there.pattern, "i"))
    for entry in session.scalars(select(TimelineEntry).where(or_(*matches)).order_by(TimelineEntry.id)):
        yield Finding(
            kind=TIMELINE,
            name=f"timelineEntries/{entry.id}",
            values=_entry_values(entry),
            about=person.records if entry.customer_id in places else frozenset(),
            marks=frozenset(mark for mark in person.marks if _mentions(person.only(mark), entry)),
        )


def _entry_values(entry: TimelineEntry) -> dict[str, Any]:
    keys = ("kind", "source", "resource", "actor", "summary", "details", "occur_time")
    return {"customer": f"customers/{entry.customer_id}", **{key: getattr(entry, key) for key in keys}}


def _mentions(person: Person, entry: TimelineEntry) -> bool:
    redactor = Redactor(person)
    return redactor.mentions(entry.summary) or redactor.value(entry.details) != entry.details


def _remarks(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """Remarks on others that tell a number or address of the person."""
    redactor = Redactor(person)
    if not redactor.pattern:
        return
    kinds: tuple[type[Human], ...] = (Customer, Contact)
    for entity in kinds:
        statement: Select[Any] = (
            select(entity).where(entity.remark.regexp_match(redactor.pattern, "i")).order_by(entity.id)
        )
        for one in session.scalars(statement):
            yield Finding(REMARK, one.name, {"remark": one.remark}, about=person.records, marks=person.marks)
