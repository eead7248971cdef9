"""Actions on many customers."""

from crm.customers.v1 import customer_batch_service_pb2 as pb

from gateway.deriver import Record, derive
from gateway.fields import field


@derive(pb.CustomerBatchRefusal, required={"reason", "message"}, relations={"customer": "customers"})
class CustomerBatchRefusal(Record[pb.CustomerBatchRefusal]):
    pass


@derive(pb.CustomerBatch, relations={"creator": "users"})
class CustomerBatch(Record[pb.CustomerBatch]):
    @field("Where the refused customers can be downloaded as a file, once there are some.")
    def error_file_url(self) -> str | None:
        return f"/files/batchErrors/{self.wire.name.partition('/')[2]}" if self.wire.refused_customers else None
