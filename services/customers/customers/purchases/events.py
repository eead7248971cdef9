"""Orders, payments and refunds as the contracts service tells of them. Pure."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from chassis.bus.envelope import Received
from crm.contracts.v1 import events_pb2

from customers.model.purchases import PurchaseKind
from customers.usecases.record_purchases import PurchaseDraft

_EVENTS: Mapping[str, tuple[Any, PurchaseKind, str, str]] = {
    "OrderPlaced": (events_pb2.OrderPlaced, PurchaseKind.ORDER, "order", "order_time"),
    "PaymentReceived": (events_pb2.PaymentReceived, PurchaseKind.PAYMENT, "payment", "payment_time"),
    "PaymentRefunded": (events_pb2.PaymentRefunded, PurchaseKind.REFUND, "refund", "refund_time"),
}
"""By event: its message, what it stands for, and the fields that name it and say when it was."""
EVENTS = tuple(_EVENTS)


def purchase_of(received: Received) -> PurchaseDraft:
    """What an event says that a customer bought. The name of the order, payment or refund tells it from others."""
    message, kind, name, time = _EVENTS[received.name]
    event = received.message(message)
    return PurchaseDraft(
        customer=event.customer,
        source=received.source,
        external_id=getattr(event, name),
        kind=kind.value,
        time=getattr(event, time).ToDatetime(UTC) if event.HasField(time) else None,
        currency=event.amount.currency_code,
        amount=event.amount.amount,
        base_amount=event.base_amount,
    )
