"""What this service holds about people: users and where they signed in from, whom to talk to at partners, and texts."""

from collections.abc import Iterator, Sequence

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.personal_data import Finding, FreeText, Person, PersonalData, former
from sqlalchemy import ColumnElement, Text, cast, literal, or_, select

from identity.model import (
    LegalHold,
    LinkedIdentity,
    LoginSession,
    Offboarding,
    Partner,
    PersonalDataRequest,
    SavedView,
    User,
)
from identity.usecases.erase_user import PARTNER_CONTACT, USER, erase_users


def describe(session: ServiceSession, person: Person) -> Person:
    """Whom this service takes for a person, and what it knows the person by."""
    ids = person.ids("users")
    if len(ids) > len(session.scalars(select(User.id).where(User.id.in_(ids))).all()):
        raise NotFound("PERSON_NOT_FOUND", "there is no such record", field="subject")
    known = Person().merged(*(_known(user) for user in _users(session, person)))
    return known.merged(former(session, known.records))


def find(session: ServiceSession, person: Person) -> Sequence[Finding]:
    """All that tells of a person."""
    users = [finding for user in _users(session, person) for finding in _findings(session, user)]
    return [*users, *_partners(session, person)]


PERSONAL_DATA = PersonalData(
    service="identity",
    describe=describe,
    find=find,
    erase=erase_users,
    texts=(
        FreeText(PersonalDataRequest.reason, place=PersonalDataRequest.subject),
        FreeText(LegalHold.reason, place=LegalHold.subject),
        FreeText(Offboarding.reason, place=literal("users/") + cast(Offboarding.user_id, Text)),
        FreeText(Offboarding.rules),
        FreeText(Partner.remark, place=literal("partners/") + cast(Partner.id, Text)),
        FreeText(SavedView.filter),
        FreeText(SavedView.display_name),
    ),
    collections=frozenset({"users"}),
)


def _users(session: ServiceSession, person: Person) -> Iterator[User]:
    ids = person.ids("users")
    same: list[ColumnElement[bool]] = [User.id.in_(ids)]
    same += [User.email.in_(person.emails), User.phone.in_(person.phones), User.login_phone.in_(person.phones)]
    for user in session.scalars(select(User).where(or_(*same)).order_by(User.id)):
        if user.id in ids or person.bears(user.display_name):
            yield user


def _known(user: User) -> Person:
    return Person(
        records=frozenset({user.name}),
        names=frozenset({user.display_name}),
        phones=frozenset(filter(None, [user.phone, user.login_phone])),
        emails=frozenset(filter(None, [user.email])),
        usernames=frozenset({user.username}),
    )


def _findings(session: ServiceSession, user: User) -> Iterator[Finding]:
    """A user with what belongs to it, which stays as long as the user does."""
    marks, about = _known(user).marks, frozenset({user.name})
    yield Finding(USER, user.name, user.snapshot(), marks=marks, in_use=user.active)
    sessions = select(LoginSession).where(LoginSession.user_id == user.id).order_by(LoginSession.id)
    for one in session.scalars(sessions):
        keys = ("create_time", "expire_time", "last_use_time", "agent", "address", "method")
        values = {key: getattr(one, key) for key in keys}
        yield Finding("session", one.name, values, about, marks, in_use=user.active)
    for linked in session.scalars(select(LinkedIdentity).where(LinkedIdentity.user_id == user.id)):
        values = {"issuer": linked.issuer, "subject": linked.subject, "create_time": linked.create_time}
        yield Finding("linked_identity", linked.issuer, values, about, marks, in_use=user.active)
    views = select(SavedView).where(SavedView.owner_id == user.id).order_by(SavedView.id)
    for view in session.scalars(views):
        yield Finding("saved_view", view.name, view.snapshot(), about, marks, in_use=user.active)


def _partners(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """The partners at whom the person is whom to talk to."""
    same = or_(Partner.contact_phone.in_(person.phones), Partner.contact_email.in_(person.emails))
    for partner in session.scalars(select(Partner).where(same).order_by(Partner.id)):
        if person.bears(partner.contact_name):
            values = {key: getattr(partner, key) for key in ("contact_name", "contact_phone", "contact_email")}
            marks = frozenset(filter(None, [partner.contact_phone, partner.contact_email]))
            yield Finding(PARTNER_CONTACT, partner.name, values, person.records, marks, whole=False)
