"""The organisations outside the company that bring in business."""

from crm.identity.v1 import partner_pb2

from gateway.deriver import Record, derive
from gateway.nodes import Node


@derive(partner_pb2.Partner, required={"display_name", "etag"}, relations={"manager": "users"})
class Partner(Record[partner_pb2.Partner], Node):
    pass
