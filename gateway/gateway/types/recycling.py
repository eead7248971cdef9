"""When and why customers fall back into pools by themselves."""

from crm.customers.v1 import recycle_pb2

from gateway.deriver import Record, derive


@derive(
    recycle_pb2.RecycleClock,
    required={"customer", "owner"},
    relations={"customer": "customers", "owner": "users"},
)
class RecycleClock(Record[recycle_pb2.RecycleClock]):
    pass


@derive(recycle_pb2.RecycleRun, required={"state"})
class RecycleRun(Record[recycle_pb2.RecycleRun]):
    pass


@derive(
    recycle_pb2.RecycleExtension,
    required={"customer", "owner", "reason", "state"},
    relations={"customer": "customers", "owner": "users", "decider": "users"},
)
class RecycleExtension(Record[recycle_pb2.RecycleExtension]):
    pass


@derive(recycle_pb2.RecyclingCount)
class RecyclingCount(Record[recycle_pb2.RecyclingCount]):
    pass


@derive(recycle_pb2.RecyclingCounts, required={"date"})
class RecyclingCounts(Record[recycle_pb2.RecyclingCounts]):
    pass


@derive(
    recycle_pb2.RecyclingDifference,
    required={"customer", "owner", "pool", "reason"},
    relations={"customer": "customers", "owner": "users"},
)
class RecyclingDifference(Record[recycle_pb2.RecyclingDifference]):
    pass


@derive(recycle_pb2.RecyclingDay, required={"date"})
class RecyclingDay(Record[recycle_pb2.RecyclingDay]):
    pass


@derive(recycle_pb2.RecyclingHistory)
class RecyclingHistory(Record[recycle_pb2.RecyclingHistory]):
    pass


@derive(recycle_pb2.CustomerStanding, required={"source"}, relations={"customer": "customers"})
class CustomerStanding(Record[recycle_pb2.CustomerStanding]):
    pass
