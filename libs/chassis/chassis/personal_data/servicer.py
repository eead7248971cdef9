"""PersonalDataPartService, which every server has for the services that it hosts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm.common.v1 import personal_data_part_service_pb2 as pb
from crm.common.v1 import personal_data_part_service_pb2_grpc as pb_grpc
from crm.common.v1.job_pb2 import FileChunk

from chassis import audit
from chassis.callers import current_caller
from chassis.calls import Calls
from chassis.db import Database
from chassis.errors import Denied, Invalid, NotFound
from chassis.names import parse_name
from chassis.personal_data.model import PersonalDataTask
from chassis.personal_data.participants import PersonalData
from chassis.personal_data.people import Person
from chassis.service import Runtime, Service, Servicer

PERMISSION = "personal_data.manage"
_CHUNK_CHARACTERS = 64 * 1024


def personal_data_servicers(hosted: Sequence[tuple[Service, Runtime]]) -> Sequence[Servicer]:
    """The service that tells what the services of a server hold about people; none if they hold nothing."""
    parts = {
        service.name: (service.personal_data, runtime.database) for service, runtime in hosted if service.personal_data
    }
    if not parts:
        return ()
    return (
        Servicer(
            descriptor=pb.DESCRIPTOR.services_by_name["PersonalDataPartService"],
            implementation=PersonalDataPartServicer(parts),
            register=pb_grpc.add_PersonalDataPartServiceServicer_to_server,
        ),
    )


class PersonalDataPartServicer(pb_grpc.PersonalDataPartServiceServicer):
    """Implements PersonalDataPartService."""

    def __init__(self, parts: Mapping[str, tuple[PersonalData, Database]]) -> None:
        """Takes what is held, and the databases, by service."""
        self._parts = parts

    def GetPersonDescription(self, request: pb.GetPersonDescriptionRequest, context: Any) -> pb.PersonDescription:
        """Say what a service knows a person by."""
        require_everything()
        data, database = self._part(request.service)
        person = Person.from_proto(request.identifiers, request.records)
        with database.read(current_caller()) as session:
            known = data.describe(session, person)
        return pb.PersonDescription(
            records=sorted(known.records), places=sorted(known.places), identifiers=known.to_proto()
        )

    def DownloadPersonalDataPart(
        self, request: pb.DownloadPersonalDataPartRequest, context: Any
    ) -> Iterator[FileChunk]:
        """Hand out what was collected, and note who takes it."""
        require_everything()
        database = self._part(request.service)[1]
        request_id = parse_name("personalDataRequests", request.request, field="request")
        with Calls(database).transaction() as session:
            task = session.get(PersonalDataTask, request_id)
            if task is None or task.expire_time <= session.now:
                raise NotFound("PERSONAL_DATA_EXPIRED", "there is nothing to download any more, or not yet")
            content = session.data_keys.open(task.content, PersonalDataTask.place(request_id))
            audit.record(session, "personal_data.download", request.request, None, {"service": request.service})
        for start in range(0, len(content), _CHUNK_CHARACTERS):
            yield FileChunk(data=content[start : start + _CHUNK_CHARACTERS].encode())

    def _part(self, service: str) -> tuple[PersonalData, Database]:
        if service not in self._parts:
            raise Invalid("UNKNOWN_SERVICE", f"this server hosts no service {service!r}", field="service")
        return self._parts[service]


def require_everything() -> None:
    """Raise Denied unless the caller looks after everybody's personal data."""
    if not current_caller().scope(PERMISSION).everything:
        message = f"personal data lie everywhere: this needs the permission {PERMISSION} with the scope ALL"
        raise Denied("SCOPE_TOO_NARROW", message, permission=PERMISSION)
