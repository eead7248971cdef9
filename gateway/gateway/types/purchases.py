"""What customers bought, and how they score by it."""

from crm.customers.v1 import purchase_pb2, purchase_service_pb2, rfm_pb2

from gateway.deriver import Record, derive


@derive(purchase_pb2.Purchase, required={"source", "external_id", "kind"}, relations={"customer": "customers"})
class Purchase(Record[purchase_pb2.Purchase]):
    pass


@derive(purchase_service_pb2.PurchaseOutcome)
class PurchaseOutcome(Record[purchase_service_pb2.PurchaseOutcome]):
    pass


@derive(purchase_pb2.PurchaseInsight, hide={"customer"})
class PurchaseInsight(Record[purchase_pb2.PurchaseInsight]):
    pass


@derive(rfm_pb2.RfmRun, required={"state", "analysis_date"}, relations={"creator": "users"})
class RfmRun(Record[rfm_pb2.RfmRun]):
    pass


@derive(
    rfm_pb2.RfmScore,
    required={"analysis_date", "monetary", "segment", "type", "run"},
    relations={"customer": "customers"},
)
class RfmScore(Record[rfm_pb2.RfmScore]):
    pass


@derive(rfm_pb2.RfmSegmentLine, required={"segment", "monetary"})
class RfmSegmentLine(Record[rfm_pb2.RfmSegmentLine]):
    pass


@derive(rfm_pb2.RfmTypeLine, required={"type", "monetary"})
class RfmTypeLine(Record[rfm_pb2.RfmTypeLine]):
    pass


@derive(rfm_pb2.RfmSummary)
class RfmSummary(Record[rfm_pb2.RfmSummary]):
    pass
