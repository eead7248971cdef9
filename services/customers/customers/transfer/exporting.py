"""The export of customers to a file, as a job."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

from chassis import audit, custom_fields
from chassis.callers import Caller
from chassis.concealment import conceal_value
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.field_rules import FieldEffect, effect_on, may_read, require_readable
from chassis.jobs import JobRun
from chassis.names import make_name
from chassis.organisation import organisation
from chassis.tabular import CsvWriter, XlsxWriter
from crm.common.v1.filter_pb2 import Filter
from google.protobuf.json_format import ParseDict
from sqlalchemy import ColumnElement, Select, and_, select

from customers.model import Customer, KnownUser
from customers.own_fields import ENTITY
from customers.queries import listed, reach
from customers.rules import CUSTOMER_RULES, column
from customers.transfer.headings import CUSTOM, NAMES
from customers.transfer.parsing import KIND_WORDS, STATUS_WORDS

PAGE_ROWS = 2_000

OUTPUT_FIELDS = {
    "last_follow_up_time": "最近跟进时间",
    "last_effective_follow_up_time": "最近有效跟进时间",
    "creator": "创建人",
    "create_time": "创建时间",
    "update_time": "更新时间",
    "name": "系统编号",
}
"""Fields that are exported and never imported, with their headings."""

_WORDS: Mapping[str, Mapping[str, str]] = {"kind": KIND_WORDS, "status": STATUS_WORDS}

Reader = Callable[[Any], str]


def run_export(run: JobRun) -> None:
    """Write the customers that a list would show over all pages to a file."""
    options = run.options
    if run.processed:
        with run.transaction() as session:
            run.restart(session)  # the file so far died with its process
    with run.reading() as session:
        columns = _columns(session, options["fields"], organisation(session).zone)
    heading = [title for title, _ in columns.values()]
    with tempfile.TemporaryFile() as file:
        writer = XlsxWriter(file, heading) if options["format"] == "XLSX" else CsvWriter(file, heading)
        for page in _pages(run, ParseDict(options["filter"], Filter()), options["search"]):
            for customer in page:
                writer.write([read(customer) for _, read in columns.values()])
            with run.transaction() as session:
                run.advance(session, processed=run.processed + len(page), counters={}, checkpoint={})
        writer.close()
        file.seek(0)
        with run.transaction() as session:
            after = {"rows": run.processed, **{key: options[key] for key in ("filter", "search", "fields", "format")}}
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            audit.record(session, "customer.export", run.name, None, {**after, "sha256": digest})
            shown = {field: effect_on(run.caller, ENTITY, field) or 0 for field in columns}
            run.succeed(session, total=run.processed, output=file, result={"fields": shown, "sha256": digest})


def exported(session: ServiceSession, conditions: Filter, search: str) -> ColumnElement[bool]:
    """What is exported: whatever the list shows, as far as the caller may also export it."""
    return and_(listed(session, conditions, search), reach(session, "customer.export"))


def check_fields(session: ServiceSession, fields: Sequence[str]) -> None:
    """Raise Invalid UNKNOWN_FIELD if one of the fields cannot be exported, Denied FIELD_NOT_READABLE if hidden."""
    _columns(session, fields, ZoneInfo("UTC"))


def require_shown(caller: Caller, shown: Mapping[str, int]) -> None:
    """Raise Denied FIELD_NOT_READABLE if a file shows more of a field than its reader may see.

    `shown` are the fields in the file, each with the effect that it was written with. The reader may be another than
    the writer, or the rules may have changed meanwhile.
    """
    for field, written in shown.items():
        if (effect_on(caller, ENTITY, field) or 0) > max(written, FieldEffect.READ_ONLY):
            require_readable(caller, ENTITY, field, path="name")


def file_name(time: datetime, file_format: str) -> str:
    """The name of an export's file."""
    return str(PurePath(f"customers-{time:%Y%m%d-%H%M%S}").with_suffix(f".{file_format.lower()}"))


def _pages(run: JobRun, conditions: Filter, search: str) -> Iterator[Sequence[Any]]:
    """The customers in pages by id, so that each comes once, however long it takes. A share that ends ends at once."""
    every: Select[Any] = select(*Customer.__table__.columns).order_by(Customer.id).limit(PAGE_ROWS)
    page: Sequence[Any] = ()
    while True:
        with run.reading_much() as session:
            statement = every.where(exported(session, conditions, search))
            page = session.execute(statement.where(Customer.id > page[-1].id) if page else statement).all()
        if not page:
            return
        yield page


def _columns(session: ServiceSession, fields: Sequence[str], zone: ZoneInfo) -> dict[str, tuple[str, Reader]]:
    """The heading and the way to read each field; all fields that are not hidden if none are named."""
    known = _known(session, zone)
    caller = session.caller
    hidden = {field for field in known if effect_on(caller, ENTITY, field) == FieldEffect.HIDE}
    for field in fields:
        if field not in known:
            raise Invalid("UNKNOWN_FIELD", f"there is no field {field!r} to export", field="fields")
        if field in hidden:
            require_readable(caller, ENTITY, field, path="fields")
    columns = {field: known[field] for field in fields or known if field not in hidden}
    masked = [field for field in columns if not may_read(caller, ENTITY, field)]
    return columns | {field: (known[field][0], _masked_reader(caller, field)) for field in masked}


def _masked_reader(caller: Caller, field: str) -> Reader:
    own = field.removeprefix(CUSTOM)
    if own != field:
        return lambda customer: _text(conceal_value(caller, ENTITY, field, customer.custom.get(own)))
    key = column(field)
    return lambda customer: _text(conceal_value(caller, ENTITY, field, getattr(customer, key)))


def _known(session: ServiceSession, zone: ZoneInfo) -> dict[str, tuple[str, Reader]]:
    known = {field: (NAMES[field][0], _reader(field)) for field in CUSTOMER_RULES}
    known["owner"] = (NAMES["owner"][0], _owner_reader(session))
    for own in custom_fields.list_fields(session, ENTITY):
        known[CUSTOM + own.key] = (own.label, _own_reader(own.key))
    for field, title in OUTPUT_FIELDS.items():
        known[field] = (title, _time_reader(field, zone) if field.endswith("_time") else _reader(field))
    known["name"] = (OUTPUT_FIELDS["name"], lambda customer: make_name("customers", customer.id))
    return known


def _reader(field: str) -> Reader:
    key = column(field)
    if (words := _WORDS.get(key)) is not None:
        return lambda customer: words[getattr(customer, key)]
    return lambda customer: _text(getattr(customer, key))


def _time_reader(field: str, zone: ZoneInfo) -> Reader:
    def read(customer: Any) -> str:
        time: datetime | None = getattr(customer, field)
        return time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if time is not None else ""

    return read


def _own_reader(key: str) -> Reader:
    return lambda customer: _text(customer.custom.get(key))


def _owner_reader(session: ServiceSession) -> Reader:
    """Owners by display name, and by username where two users share one, so that an import finds them again."""
    users = session.execute(select(KnownUser.id, KnownUser.username, KnownUser.display_name)).all()
    names = [user.display_name for user in users]
    shared = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    texts = {user.id: user.username if user.display_name in shared else user.display_name for user in users}
    return lambda customer: texts.get(customer.owner_id) or make_name("users", customer.owner_id)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case list():
            return "; ".join(_text(item) for item in value)
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case float():
            return f"{value:.15g}"
    return str(value)
