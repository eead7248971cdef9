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


@derive(recycle_pb2.CustomerStanding, required={"source"}, relations={"customer": "customers"})
class CustomerStanding(Record[recycle_pb2.CustomerStanding]):
    pass
