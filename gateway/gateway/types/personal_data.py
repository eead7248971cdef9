"""Personal data: identity numbers in full, requests to export or erase, and legal holds."""

from crm.customers.v1 import identity_number_service_pb2
from crm.identity.v1 import personal_data_pb2

from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(identity_number_service_pb2.RevealIdentityNumberResponse, hide={"name"})
class RevealedIdentityNumber(Record[identity_number_service_pb2.RevealIdentityNumberResponse]):
    pass


@derive(personal_data_pb2.PersonalDataPart, required={"service", "done"})
class PersonalDataPart(Record[personal_data_pb2.PersonalDataPart]):
    pass


@derive(personal_data_pb2.PersonalDataRequest, required={"kind", "state"}, relations={"creator": "users"})
class PersonalDataRequest(Record[personal_data_pb2.PersonalDataRequest], Node):
    @field("Where the file of an export can be downloaded, once all services are done.")
    def file_url(self) -> str | None:
        ready = self.wire.state == personal_data_pb2.PERSONAL_DATA_STATE_SUCCEEDED
        exported = self.wire.kind == personal_data_pb2.PERSONAL_DATA_KIND_EXPORT
        return f"/files/personalData/{self.wire.name.partition('/')[2]}" if ready and exported else None


@derive(personal_data_pb2.LegalHold, required={"etag"}, relations={"creator": "users"})
class LegalHold(Record[personal_data_pb2.LegalHold], Node):
    pass
