"""PersonalDataService."""

from datetime import UTC, datetime

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from chassis.personal_data import Person
from crm.identity.v1 import personal_data_pb2, personal_data_service_pb2, personal_data_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import personal_data_queries
from identity.clients import People
from identity.mapping import timestamp
from identity.model import LegalHold, PersonalDataRequest, RequestKind
from identity.personal_data import PERSONAL_DATA
from identity.usecases.create_personal_data_request import PERMISSION, create_personal_data_request
from identity.usecases.keep_legal_hold import create_legal_hold, delete_legal_hold, update_legal_hold

_KINDS = {
    personal_data_pb2.PERSONAL_DATA_KIND_EXPORT: RequestKind.EXPORT,
    personal_data_pb2.PERSONAL_DATA_KIND_ERASE: RequestKind.ERASE,
}
_CHANGEABLE = {"reason", "expire_time"}
_SECRET = ("subject.identifiers",)
"""Not kept for retries."""


class PersonalDataServicer(personal_data_service_pb2_grpc.PersonalDataServiceServicer):
    """Implements PersonalDataService."""

    def __init__(self, calls: Calls, people: People) -> None:
        self.calls = calls
        self.people = people

    def CreatePersonalDataRequest(
        self, request: personal_data_service_pb2.CreatePersonalDataRequestRequest, context: ServicerContext
    ) -> personal_data_pb2.PersonalDataRequest:
        kind = _KINDS.get(request.kind)
        if kind is None:
            raise Invalid("INVALID_REQUEST_KIND", "say whether to export or to erase", field="kind")
        person = self._person(request.subject)

        def create(session: ServiceSession) -> personal_data_pb2.PersonalDataRequest:
            made = create_personal_data_request(session, kind, request.subject.name, person, request.reason)
            return _request(made)

        return self.calls.write(request, personal_data_pb2.PersonalDataRequest, create, secret_fields=_SECRET)

    def GetPersonalDataRequest(
        self, request: personal_data_service_pb2.GetPersonalDataRequestRequest, context: ServicerContext
    ) -> personal_data_pb2.PersonalDataRequest:
        with self.calls.read() as session:
            found = personal_data_queries.get_request(session, parse_name("personalDataRequests", request.name))
            return _request(found)

    def ListPersonalDataRequests(
        self, request: personal_data_service_pb2.ListPersonalDataRequestsRequest, context: ServicerContext
    ) -> personal_data_service_pb2.ListPersonalDataRequestsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = personal_data_queries.list_requests(session, size, request.page_token)
            requests = [_request(each) for each in page.rows]
        return personal_data_service_pb2.ListPersonalDataRequestsResponse(
            requests=requests, next_page_token=page.next_token
        )

    def CreateLegalHold(
        self, request: personal_data_service_pb2.CreateLegalHoldRequest, context: ServicerContext
    ) -> personal_data_pb2.LegalHold:
        given, person = request.legal_hold, self._person(request.subject)

        def create(session: ServiceSession) -> personal_data_pb2.LegalHold:
            return _hold(create_legal_hold(session, request.subject.name, person, given.reason, _expire_time(given)))

        return self.calls.write(request, personal_data_pb2.LegalHold, create, secret_fields=_SECRET)

    def GetLegalHold(
        self, request: personal_data_service_pb2.GetLegalHoldRequest, context: ServicerContext
    ) -> personal_data_pb2.LegalHold:
        with self.calls.read() as session:
            return _hold(personal_data_queries.get_hold(session, parse_name("legalHolds", request.name)))

    def ListLegalHolds(
        self, request: personal_data_service_pb2.ListLegalHoldsRequest, context: ServicerContext
    ) -> personal_data_service_pb2.ListLegalHoldsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = personal_data_queries.list_holds(session, size, request.page_token)
            holds = [_hold(each) for each in page.rows]
        return personal_data_service_pb2.ListLegalHoldsResponse(legal_holds=holds, next_page_token=page.next_token)

    def UpdateLegalHold(
        self, request: personal_data_service_pb2.UpdateLegalHoldRequest, context: ServicerContext
    ) -> personal_data_pb2.LegalHold:
        given = request.legal_hold
        hold_id = parse_name("legalHolds", given.name)
        paths = changed_paths(given, request.update_mask, _CHANGEABLE)

        def update(session: ServiceSession) -> personal_data_pb2.LegalHold:
            return _hold(update_legal_hold(session, hold_id, set(paths), given.reason, _expire_time(given), given.etag))

        return self.calls.write(request, personal_data_pb2.LegalHold, update)

    def DeleteLegalHold(
        self, request: personal_data_service_pb2.DeleteLegalHoldRequest, context: ServicerContext
    ) -> Empty:
        hold_id = parse_name("legalHolds", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_legal_hold(session, hold_id, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def _person(self, subject: personal_data_service_pb2.PersonalDataSubject) -> Person:
        """The person as all services know it. Raises Invalid REQUIRED, NotFound, and what they raise."""
        with self.calls.read() as session:
            session.caller.require_everything(PERMISSION)
            person = Person.from_proto(subject.identifiers, [subject.name] if subject.name else [])
            if not person.records and not person.marks:
                message = "name a record of the person, or a phone number, an e-mail address or an identity number"
                raise Invalid("REQUIRED", message, field="subject")
            if person.ids("users"):
                person = person.merged(PERSONAL_DATA.describe(session, person))
        person = self.people.described(person)
        with self.calls.read() as session:
            return person.merged(PERSONAL_DATA.describe(session, person))


def _expire_time(hold: personal_data_pb2.LegalHold) -> datetime | None:
    return hold.expire_time.ToDatetime(UTC) if hold.HasField("expire_time") else None


def _request(request: PersonalDataRequest) -> personal_data_pb2.PersonalDataRequest:
    return personal_data_pb2.PersonalDataRequest(
        name=request.name,
        kind=personal_data_pb2.PersonalDataKind.Value(f"PERSONAL_DATA_KIND_{request.kind}"),
        subject=request.subject,
        reason=request.reason,
        state=personal_data_pb2.PersonalDataState.Value(f"PERSONAL_DATA_STATE_{request.state}"),
        parts=[
            personal_data_pb2.PersonalDataPart(
                service=part.service,
                done=part.done,
                found=part.found,
                erased=part.erased,
                held=part.held,
                kept=part.kept,
            )
            for part in request.parts
        ],
        creator=request.creator,
        create_time=timestamp(request.create_time),
        end_time=timestamp(request.end_time),
        expire_time=timestamp(request.expire_time),
    )


def _hold(hold: LegalHold) -> personal_data_pb2.LegalHold:
    return personal_data_pb2.LegalHold(
        name=hold.name,
        subject=hold.subject,
        reason=hold.reason,
        expire_time=timestamp(hold.expire_time),
        creator=hold.creator,
        create_time=timestamp(hold.create_time),
        update_time=timestamp(hold.update_time),
        etag=etag(hold.version),
    )
