"""The audit logs of all services as one, and their verification."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeVar

import strawberry
from chassis.errors import Invalid
from crm.common.v1 import audit_service_pb2

from gateway.connections import DEFAULT_PAGE, MAX_PAGE, After, Connection, Edge, First, PageInfo
from gateway.context import Info
from gateway.failures import CallFailed
from gateway.fields import field
from gateway.inputs import Input, derive_input
from gateway.merging import Part, Places, from_cursor, merge, to_cursor
from gateway.types.audit import AuditEntry, AuditLogVerification

Answer = TypeVar("Answer")


@derive_input(audit_service_pb2.AuditFilter)
class AuditFilterInput(Input[audit_service_pb2.AuditFilter]):
    pass


@strawberry.type(description="A page of the audit logs of all services.")
class AuditEntryConnection(Connection[AuditEntry]):
    missing_services: list[str] = strawberry.field(
        description="The services whose entries are missing here, each with an error that says why. They are asked "
        "again for the next page."
    )


@strawberry.type(description="How far the audit logs of all services are checked, and what was found.")
class AuditVerification:
    services: list[AuditLogVerification] = strawberry.field(
        description="Each service's log; those that were complete before are left out."
    )
    complete: bool = strawberry.field(description="False if there is more to check: go on with `endCursor`.")
    end_cursor: str | None


@strawberry.type
class AuditQuery:
    @field(
        "What was done in all services, newest first. A service that does not answer costs its own entries, with an "
        "error; the others answer."
    )
    async def audit_entries(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: AuditFilterInput | None = None,  # noqa: A002 - the name in the schema
    ) -> AuditEntryConnection | None:
        if not 1 <= first <= MAX_PAGE:
            raise Invalid("PAGE_SIZE_OUT_OF_RANGE", f"first must be between 1 and {MAX_PAGE}", field="first")
        context, places = info.context, from_cursor(after, info.context.services.audits)
        wanted = filter.to_proto() if filter else None

        async def page(service: str, token: str) -> Part:
            request = audit_service_pb2.ListAuditEntriesRequest(
                service=service, page_size=first, page_token=token, filter=wanted
            )
            answer = await context.calls(context.services.audits[service].ListAuditEntries, request)
            return Part(list(answer.entries), answer.start_token, answer.next_page_token)

        parts = await _ask_all(info, places, page)
        return _connection(parts, places, first, has_previous=bool(after))

    @field(
        "Checks that nobody altered, removed or slipped in an entry of the audit logs. Takes a few seconds at most; "
        "go on with `after` until it is complete."
    )
    async def verify_audit(
        self,
        info: Info,
        after: After = None,
    ) -> AuditVerification | None:
        context, places = info.context, from_cursor(after, info.context.services.audits)

        async def check(service: str, token: str) -> audit_service_pb2.VerifyAuditResponse:
            request = audit_service_pb2.VerifyAuditRequest(service=service, page_token=token)
            return await context.calls(context.services.audits[service].VerifyAudit, request)

        found = await _ask_all(info, places, check)
        places = {**places, **{service: answer.next_page_token or None for service, answer in found.items()}}
        complete = not any(place is not None for place in places.values())
        return AuditVerification(
            services=[AuditLogVerification(found[service]) for service in sorted(found)],
            complete=complete,
            end_cursor=None if complete else to_cursor(places),
        )


def _connection(parts: dict[str, Part], places: Places, first: int, *, has_previous: bool) -> AuditEntryConnection:
    merged = list(islice(merge(parts, places, _newest_first, lambda entry: str(entry.page_token)), first))
    asked = {service for service, place in places.items() if place is not None}
    ended = {service: None for service, part in parts.items() if not part.entries}
    last = merged[-1][1] if merged else {**places, **ended}
    edges = [Edge(cursor=to_cursor(place), node=AuditEntry(entry)) for entry, place in merged]
    return AuditEntryConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=any(place is not None for place in last.values()),
            has_previous_page=has_previous,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=to_cursor(last),
        ),
        missing_services=sorted(asked - set(parts)),
    )


def _newest_first(entry: audit_service_pb2.AuditEntry) -> int:
    return -entry.time.ToNanoseconds()


async def _ask_all(info: Info, places: Places, ask: Callable[[str, str], Awaitable[Answer]]) -> dict[str, Answer]:
    """What the services answer that are not at their end. Raises CallFailed if none of them answers."""
    asked = {service: place for service, place in places.items() if place is not None}
    answers = await asyncio.gather(*(ask(*each) for each in asked.items()), return_exceptions=True)
    found: dict[str, Answer] = {}
    failures: list[CallFailed] = []
    for service, answer in zip(asked, answers, strict=True):
        if isinstance(answer, CallFailed):
            failures.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[service] = answer
    if failures and not found:
        raise failures[0]
    for failure in failures:
        info.context.note_failure(failure, info.path.as_list())
    return found
