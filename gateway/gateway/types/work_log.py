"""What people did, and how much of it."""

from crm.leads.v1 import work_log_service_pb2 as pb

from gateway.deriver import Record, derive


@derive(pb.WorkEntry, required={"resource", "kind"}, relations={"person": "users"})
class WorkEntry(Record[pb.WorkEntry]):
    pass


@derive(pb.WorkCount, relations={"person": "users", "department": "departments"})
class WorkCount(Record[pb.WorkCount]):
    pass
