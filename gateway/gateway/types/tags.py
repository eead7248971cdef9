"""Tags, the quality of data, and the templates of fields."""

from typing import Any, cast

import strawberry
from crm.customers.v1 import custom_field_service_pb2, customer_pb2, quality_service_pb2, tag_service_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.errors import public_path
from gateway.fields import field


@derive(customer_pb2.CustomerTag, required={"display_name", "origin"})
class CustomerTag(Record[customer_pb2.CustomerTag]):
    pass


@derive(tag_service_pb2.Tag, required={"display_name", "etag"}, hide={"rule"}, relations={"creator": "users"})
class Tag(Record[tag_service_pb2.Tag]):
    @field("The filter that customers fulfil on whom it is set by itself; null if only people set it.")
    def rule(self) -> strawberry.scalars.JSON | None:
        held: Any = from_filter(self.wire.rule)
        return cast(strawberry.scalars.JSON | None, held)


@derive(quality_service_pb2.FieldWeight, hide={"field"})
class FieldWeight(Record[quality_service_pb2.FieldWeight]):
    @field("The field as the type calls it, e.g. `creditCode`, `address.city`; a company's own as `custom.region`.")
    def field(self) -> str:
        return public_path(self.wire.field)


@derive(quality_service_pb2.QualityWeights, required={"kind", "etag"})
class QualityWeights(Record[quality_service_pb2.QualityWeights]):
    pass


@derive(custom_field_service_pb2.TemplateField, hide={"field"})
class TemplateField(Record[custom_field_service_pb2.TemplateField]):
    @field("The field as the type calls it, e.g. `creditCode`, `address.city`; a company's own as `custom.region`.")
    def field(self) -> str:
        return public_path(self.wire.field)


@derive(custom_field_service_pb2.FieldTemplate, required={"entity"})
class FieldTemplate(Record[custom_field_service_pb2.FieldTemplate]):
    pass
