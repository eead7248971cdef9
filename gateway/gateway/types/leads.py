"""Follow-ups."""

from crm.leads.v1 import follow_up_pb2

from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node
from gateway.types.customers import Contact


@derive(
    follow_up_pb2.FollowUp,
    required={"customer"},
    relations={"customer": "customers", "author": "users"},
    rename={"contact": "contact_id"},
)
class FollowUp(Record[follow_up_pb2.FollowUp], Node):
    @field("The contact spoken with.")
    async def contact(self, info: Info) -> Contact | None:
        name = self.wire.contact
        if not name:
            return None
        contacts = await info.context.loaders.contacts.load(self.wire.customer)
        return next((contact for contact in contacts if contact.wire.name == name), None)
