"""The audit log and its verification."""

from crm.common.v1 import audit_service_pb2

from gateway.deriver import Record, derive


@derive(
    audit_service_pb2.AuditEntry,
    required={"service", "action"},
    hide={"page_token"},
    relations={"actor": "users"},
)
class AuditEntry(Record[audit_service_pb2.AuditEntry]):
    pass


@derive(audit_service_pb2.BrokenAuditLink, required={"kind"})
class BrokenAuditLink(Record[audit_service_pb2.BrokenAuditLink]):
    pass


@derive(audit_service_pb2.VerifyAuditResponse, required={"service"}, hide={"next_page_token"})
class AuditLogVerification(Record[audit_service_pb2.VerifyAuditResponse]):
    pass
