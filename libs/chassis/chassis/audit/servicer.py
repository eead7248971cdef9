"""AuditService, which every server has for the services that it hosts."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC
from typing import Any

import orjson
from crm.common.v1 import audit_service_pb2 as pb
from crm.common.v1 import audit_service_pb2_grpc as pb_grpc

from chassis import deadlines, paging
from chassis.audit import search, stored
from chassis.audit.chain import head, unsealed
from chassis.audit.model import AuditEntry
from chassis.audit.search import Search
from chassis.audit.verification import BrokenLink, Progress, verify_from
from chassis.callers import current_caller
from chassis.concealment import conceal_snapshot
from chassis.db import Database
from chassis.errors import Denied, Invalid
from chassis.service import Runtime, Service, Servicer
from chassis.structs import to_struct

VERIFY_SECONDS = 5.0
"""The longest that one call checks for; it ends sooner for a client that waits less long."""
_MARGIN_SECONDS = 1.0
_EXACT = 2**53


def audit_servicer(hosted: Sequence[tuple[Service, Runtime]]) -> Servicer:
    """The service that shows the audit logs of all services that a server hosts."""
    return Servicer(
        descriptor=pb.DESCRIPTOR.services_by_name["AuditService"],
        implementation=AuditServicer({service.name: runtime.database for service, runtime in hosted}),
        register=pb_grpc.add_AuditServiceServicer_to_server,
    )


class AuditServicer(pb_grpc.AuditServiceServicer):
    """Implements AuditService."""

    def __init__(self, databases: dict[str, Database]) -> None:
        """Takes the databases by service."""
        self._databases = databases

    def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, context: Any) -> pb.ListAuditEntriesResponse:
        """A page of the log."""
        _require_everything("audit.read")
        database = self._database(request.service)
        size, wanted = paging.page_size(request.page_size), _search(request.filter)
        with database.read(current_caller()) as session:
            page = search.find(session, wanted, size, request.page_token)
        return pb.ListAuditEntriesResponse(
            entries=[_entry(entry, database.service, search.after(wanted, entry)) for entry in page.rows],
            next_page_token=page.next_token,
            start_token=search.from_on(wanted, page.rows[0]) if page.rows else "",
        )

    def VerifyAudit(self, request: pb.VerifyAuditRequest, context: Any) -> pb.VerifyAuditResponse:
        """Check the log, as far as the time allows."""
        _require_everything("audit.verify")
        database = self._database(request.service)
        progress = _from_token(request.page_token) if request.page_token else Progress()
        seconds = max(0.0, min(VERIFY_SECONDS, deadlines.remaining(VERIFY_SECONDS) - _MARGIN_SECONDS))
        # Each statement by itself: a transaction that lasted so long would keep entries from being sealed.
        with database.read(current_caller()) as session:
            found = verify_from(session, progress, seconds=seconds)
            waiting, (number, digest) = unsealed(session), head(session)
        reached = found.progress
        return pb.VerifyAuditResponse(
            service=database.service,
            complete=found.complete,
            next_page_token="" if found.complete else _to_token(reached),
            broken=_broken(found.broken, database.service) if found.broken else None,
            entry_count=reached.entries + reached.tail_entries,
            erased_count=reached.erased + reached.tail_erased,
            block_count=reached.blocks,
            unsealed_count=waiting,
            head_block=number,
            head_hash=digest,
        )

    def _database(self, service: str) -> Database:
        if not service and len(self._databases) == 1:
            return next(iter(self._databases.values()))
        if service not in self._databases:
            names = ", ".join(self._databases)
            raise Invalid(
                "UNKNOWN_SERVICE", f"name one of the services that this server hosts: {names}", field="service"
            )
        return self._databases[service]


def _require_everything(permission: str) -> None:
    if not current_caller().scope(permission).everything:
        message = f"the audit log concerns everybody: this needs the permission {permission} with the scope ALL"
        raise Denied("SCOPE_TOO_NARROW", message, permission=permission)


def _search(wanted: pb.AuditFilter) -> Search:
    return Search(
        actor=_text(wanted.actor, "filter.actor"),
        resource=_text(wanted.resource, "filter.resource"),
        action=_text(wanted.action, "filter.action"),
        start=wanted.start_time.ToDatetime(UTC) if wanted.HasField("start_time") else None,
        end=wanted.end_time.ToDatetime(UTC) if wanted.HasField("end_time") else None,
        request_id=_text(wanted.request_id, "filter.request_id"),
        trace_id=_text(wanted.trace_id, "filter.trace_id"),
    )


def _text(value: str, field: str) -> str:
    if "\0" in value:
        raise Invalid("INVALID_TEXT", "no audit entry holds the character NUL; leave it out", field=field)
    return value


def _name(service: str, entry_id: int) -> str:
    return f"auditEntries/{service}.{entry_id}"


def _entry(entry: AuditEntry, service: str, token: str) -> pb.AuditEntry:
    erased = bool(stored.erasures_named([entry.before, entry.after]))
    before, after = (
        conceal_snapshot(current_caller(), entry.resource, values) for values in (entry.before, entry.after)
    )
    message = pb.AuditEntry(
        name=_name(service, entry.id),
        service=service,
        actor=entry.actor,
        action=entry.action,
        resource=entry.resource,
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        before=None if before is None or erased else to_struct(_exact(before)),
        after=None if after is None or erased else to_struct(_exact(after)),
        changed_fields=[] if erased else _changed(entry.before or {}, entry.after or {}),
        erased=erased,
        page_token=token,
    )
    message.time.FromDatetime(entry.time)
    return message


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    missing = object()
    fields = sorted({*before, *after})
    return [field for field in fields if before.get(field, missing) != after.get(field, missing)]


def _exact(value: Any) -> Any:
    """The value with numbers that a Struct would round as text."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if type(value) is int and abs(value) > _EXACT else value


def _broken(link: BrokenLink, service: str) -> pb.BrokenAuditLink:
    return pb.BrokenAuditLink(
        kind=pb.BrokenAuditLinkKind.Value(f"BROKEN_AUDIT_LINK_KIND_{link.kind}"),
        block=link.block or 0,
        entry=link.entry or 0,
        entry_name=_name(service, link.entry) if link.entry is not None else "",
    )


def _to_token(progress: Progress) -> str:
    """Only whoever checks relies on the token: one that was made up leads nobody else astray."""
    values = [value.hex() if isinstance(value, bytes) else value for value in astuple(progress)]
    return orjson.dumps(values).hex()


def _from_token(token: str) -> Progress:
    try:
        blocks, digest, entries, erased, xid, tail_id, tail_entries, tail_erased = orjson.loads(bytes.fromhex(token))
        numbers = (blocks, entries, erased, int(xid), tail_id, tail_entries, tail_erased)
        if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
            raise ValueError("not a number of anything")
        return Progress(blocks, bytes.fromhex(digest), entries, erased, str(xid), tail_id, tail_entries, tail_erased)
    except (ValueError, TypeError):
        raise Invalid(
            "INVALID_PAGE_TOKEN", "page_token is not one that this method returned", field="page_token"
        ) from None
