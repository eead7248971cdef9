"""What this service asks other services for, over gRPC."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import ClassVar
from uuid import UUID

from chassis.clients import open_channel
from chassis.errors import Invalid
from chassis.names import make_name
from chassis.personal_data import Person
from chassis.settings import Settings
from crm.common.v1.handover_pb2 import HandoverCount, HandoverRule
from crm.common.v1.handover_service_pb2 import PreviewHandoverRequest
from crm.common.v1.handover_service_pb2_grpc import HandoverServiceStub
from crm.common.v1.personal_data_part_service_pb2 import GetPersonDescriptionRequest
from crm.common.v1.personal_data_part_service_pb2_grpc import PersonalDataPartServiceStub
from google.protobuf.json_format import ParseDict

from identity.succession import Succession


class Handovers:
    """The services that hand over records, on the caller's behalf."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stubs: dict[str, HandoverServiceStub] = {}
        self._lock = Lock()

    def preview(self, services: Iterable[str], user_id: UUID, succession: Succession) -> Sequence[HandoverCount]:
        """What some services would hand over. What one of them refuses becomes this service's own answer."""
        rules = [ParseDict(rule, HandoverRule()) for rule in succession.rules]
        counts: list[HandoverCount] = []
        for service in sorted(services):
            request = PreviewHandoverRequest(
                service=service,
                user=make_name("users", user_id),
                rules=rules,
                default_successor=make_name("users", succession.default_successor_id),
            )
            counts += self._stub(service).PreviewHandover(request).counts
        return counts

    def _stub(self, service: str) -> HandoverServiceStub:
        # Opened when first needed: identity answers without knowing where the others are.
        with self._lock:
            if service not in self._stubs:
                self._stubs[service] = HandoverServiceStub(open_channel(self._settings, service))
            return self._stubs[service]


class People:
    """What other services know people by, on the caller's behalf."""

    OWNERS: ClassVar[Mapping[str, str]] = {"contacts": "customers", "customers": "customers", "leads": "leads"}
    """The services whose records can be named as a person, by collection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stubs: dict[str, PersonalDataPartServiceStub] = {}
        self._lock = Lock()

    def described(self, person: Person) -> Person:
        """The person as all of them know it, whoever has the record that is named being asked first.

        What one of them refuses becomes this service's own answer.
        """
        collections = {record.partition("/")[0] for record in person.records}
        if collections - {*self.OWNERS, "users"}:
            kinds = ", ".join(sorted({*self.OWNERS, "users"}))
            raise Invalid("INVALID_NAME", f"a person is a record of {kinds}", field="subject.name")
        first = {self.OWNERS[collection] for collection in collections & self.OWNERS.keys()}
        for service in [*sorted(first), *sorted(set(self.OWNERS.values()))]:
            person = person.merged(self._described(service, person))
        return person

    def _described(self, service: str, person: Person) -> Person:
        mine = sorted(name for name in person.records if self.OWNERS.get(name.partition("/")[0]) == service)
        request = GetPersonDescriptionRequest(service=service, records=mine, identifiers=person.to_proto())
        known = self._stub(service).GetPersonDescription(request)
        return replace(Person.from_proto(known.identifiers, known.records), places=frozenset(known.places))

    def _stub(self, service: str) -> PersonalDataPartServiceStub:
        with self._lock:
            if service not in self._stubs:
                self._stubs[service] = PersonalDataPartServiceStub(open_channel(self._settings, service))
            return self._stubs[service]
