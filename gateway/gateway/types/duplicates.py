"""Customers that are likely one, and customers that became one."""

from crm.customers.v1 import duplicate_pb2, duplicate_service_pb2, merge_service_pb2

from gateway.deriver import Record, derive


@derive(duplicate_pb2.DuplicateCandidate, required={"customer", "score"}, relations={"customer": "customers"})
class DuplicateCandidate(Record[duplicate_pb2.DuplicateCandidate]):
    pass


@derive(duplicate_service_pb2.FindDuplicateCustomersResponse, required={"hidden_candidates", "policy"})
class DuplicateCandidates(Record[duplicate_service_pb2.FindDuplicateCustomersResponse]):
    pass


@derive(duplicate_pb2.DuplicateMember, required={"customer"}, relations={"customer": "customers"})
class DuplicateMember(Record[duplicate_pb2.DuplicateMember]):
    pass


@derive(duplicate_pb2.DuplicateGroup, required={"score", "state"})
class DuplicateGroup(Record[duplicate_pb2.DuplicateGroup]):
    pass


@derive(duplicate_pb2.DuplicateScanJob, required={"state"}, relations={"creator": "users"})
class DuplicateScanJob(Record[duplicate_pb2.DuplicateScanJob]):
    pass


@derive(duplicate_pb2.DuplicateSettings, required={"policy"})
class DuplicateSettings(Record[duplicate_pb2.DuplicateSettings]):
    pass


@derive(
    merge_service_pb2.CustomerMerge,
    required={"customer"},
    relations={"customer": "customers", "creator": "users"},
)
class CustomerMerge(Record[merge_service_pb2.CustomerMerge]):
    pass
