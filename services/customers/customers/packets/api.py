"""The gRPC method of HandOverPacketService."""

from typing import Any

from chassis.calls import Calls
from chassis.names import make_name, parse_name
from crm.customers.v1 import hand_over_packet_pb2, hand_over_packet_service_pb2, hand_over_packet_service_pb2_grpc

from customers.mapping import contact_to_proto
from customers.ownership_api import tenure_to_proto
from customers.packets.packet import Gap, Packet, packet
from customers.pools.mapping import change_to_proto
from customers.purchases.mapping import purchase_to_proto


class HandOverPacketServicer(hand_over_packet_service_pb2_grpc.HandOverPacketServiceServicer):
    """Implements HandOverPacketService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetHandOverPacket(
        self, request: hand_over_packet_service_pb2.GetHandOverPacketRequest, context: Any
    ) -> hand_over_packet_pb2.HandOverPacket:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            return _to_proto(packet(session, customer_id))


def _to_proto(held: Packet) -> hand_over_packet_pb2.HandOverPacket:
    return hand_over_packet_pb2.HandOverPacket(
        customer=make_name("customers", held.customer_id),
        hand_over=change_to_proto(held.hand_over) if held.hand_over is not None else None,
        contacts=map(contact_to_proto, held.contacts or ()),
        contacts_told=held.contacts is not None,
        orders=map(purchase_to_proto, held.orders or ()),
        orders_told=held.orders is not None,
        gaps=map(_gap_to_proto, held.gaps),
        owners=map(tenure_to_proto, held.owners),
    )


def _gap_to_proto(gap: Gap) -> hand_over_packet_pb2.HandOverGap:
    kind = hand_over_packet_pb2.HandOverGapKind.Value(f"HAND_OVER_GAP_KIND_{gap.kind}")
    message = hand_over_packet_pb2.HandOverGap(kind=kind, field=gap.field)
    if gap.last_touch_time is not None:
        message.last_touch_time.FromDatetime(gap.last_touch_time)
    return message
