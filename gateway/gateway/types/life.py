"""What happened to leads, and the rules of their life."""

from crm.leads.v1 import conversion_service_pb2, life_pb2

from gateway.deriver import Record, derive


@derive(life_pb2.LeadTimelineEntry, required={"kind"}, relations={"actor": "users"})
class LeadTimelineEntry(Record[life_pb2.LeadTimelineEntry]):
    pass


@derive(life_pb2.LeadReason, required={"code", "display_name"})
class LeadReason(Record[life_pb2.LeadReason]):
    pass


@derive(life_pb2.LeadRules, required={"etag"})
class LeadRules(Record[life_pb2.LeadRules]):
    pass


@derive(
    conversion_service_pb2.LeadConversion,
    required={"state"},
    relations={"customer": "customers", "contact": "contacts"},
)
class LeadConversion(Record[conversion_service_pb2.LeadConversion]):
    pass
