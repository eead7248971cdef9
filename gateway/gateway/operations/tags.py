"""Tags with rules, the quality of data on customers, and the templates of fields."""

from typing import TYPE_CHECKING, Any

import strawberry
from crm.customers.v1 import (
    contact_pb2,
    custom_field_service_pb2,
    customer_pb2,
    quality_service_pb2,
    tag_service_pb2,
)
from google.protobuf.descriptor import Descriptor

from gateway.conditions import FilterInput, to_fields, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.customers import Customer
from gateway.types.tags import FieldTemplate, QualityWeights, Tag

if TYPE_CHECKING:
    from enum import Enum as CleaningList
    from enum import Enum as CustomerKind
else:
    CleaningList = enum_of(quality_service_pb2.DESCRIPTOR.enum_types_by_name["CleaningList"])
    CustomerKind = enum_of(customer_pb2.DESCRIPTOR.enum_types_by_name["CustomerKind"])

_OUTPUT = {"rule", "creator", "create_time", "update_time"}


@strawberry.type(description="A page of customers that need cleaning.")
class CustomersToCleanConnection(Connection[Customer]):
    pass


@strawberry.type
class TagsQuery:
    @field("The tags that have a colour, a group or a rule, by name.")
    async def tags(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Tag] | None:
        method, request = info.context.services.tags.ListTags, tag_service_pb2.ListTagsRequest
        return await connect(first, after, Tag, pages(info.context, method, request, "tags"))

    @field("What counts for the quality of the data on customers of a kind.")
    async def quality_weights(self, info: Info, kind: CustomerKind) -> QualityWeights | None:
        request = quality_service_pb2.GetQualityWeightsRequest(kind=kind.value)
        return QualityWeights(await info.context.calls(info.context.services.quality.GetQualityWeights, request))

    @field(
        "Customers that need cleaning: those without a value of `emptyField`, those that nobody has touched for more "
        "than `days` days, or those whose numbers or addresses do not work."
    )
    async def customers_to_clean(
        self,
        info: Info,
        list: CleaningList,  # noqa: A002 - the name in the schema
        empty_field: str | None = None,
        days: int | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> CustomersToCleanConnection | None:
        fetch = pages(
            info.context,
            info.context.services.quality.ListCustomersToClean,
            quality_service_pb2.ListCustomersToCleanRequest,
            "customers",
            list=list.value,
            empty_field=(to_fields([empty_field], customer_pb2.Customer.DESCRIPTOR) if empty_field else [""])[0],
            days=days or 0,
        )
        return CustomersToCleanConnection(**await page_fields(first, after, Customer, fetch))

    @field("Which fields people see of records of a kind: of customers COMPANY or PERSON, of contacts no kind.")
    async def field_template(
        self, info: Info, entity: str = "customer", kind: str | None = None
    ) -> FieldTemplate | None:
        request = custom_field_service_pb2.GetFieldTemplateRequest(entity=entity, kind=kind or "")
        return FieldTemplate(await info.context.calls(info.context.services.custom_fields.GetFieldTemplate, request))


@derive_input(tag_service_pb2.Tag, required={"display_name"}, hide={"name", "etag", *_OUTPUT})
class CreateTagInput(Input[tag_service_pb2.Tag]):
    rule: FilterInput | None = strawberry.field(
        default=None, description="Set on customers that fulfil this, and removed from others."
    )
    request_id: RequestId = None


@derive_input(tag_service_pb2.Tag, required={"name"}, hide={"display_name", *_OUTPUT})
class UpdateTagInput(Input[tag_service_pb2.Tag]):
    rule: FilterInput | None = strawberry.field(
        default=strawberry.UNSET, description="Set on customers that fulfil this; null to end the rule."
    )
    request_id: RequestId = None


@derive_input(quality_service_pb2.QualityWeights, required={"kind", "weights"})
class SetQualityWeightsInput(Input[quality_service_pb2.QualityWeights]):
    request_id: RequestId = None


@derive_input(custom_field_service_pb2.FieldTemplate, required={"shown_fields"})
class SetFieldTemplateInput(Input[custom_field_service_pb2.FieldTemplate]):
    request_id: RequestId = None


@strawberry.type
class TagsMutation:
    @mutation("Creates a tag with a colour, a group or a rule.")
    async def create_tag(self, info: Info, input: CreateTagInput) -> Tag | None:  # noqa: A002
        request = tag_service_pb2.CreateTagRequest(tag=_tag(input), request_id=input.request_id or "")
        return Tag(await info.context.calls(info.context.services.tags.CreateTag, request))

    @mutation("Changes a tag's colour, group or rule.")
    async def update_tag(self, info: Info, input: UpdateTagInput) -> Tag | None:  # noqa: A002
        mask = input.mask()
        if input.rule is not strawberry.UNSET:
            mask.paths.append("rule")
        request = tag_service_pb2.UpdateTagRequest(tag=_tag(input), update_mask=mask, request_id=input.request_id or "")
        return Tag(await info.context.calls(info.context.services.tags.UpdateTag, request))

    @mutation("Deletes a tag and returns its id.")
    async def delete_tag(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = tag_service_pb2.DeleteTagRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.tags.DeleteTag, request)
        return input.id

    @mutation("Sets what counts for the quality of the data on customers of a kind.")
    async def set_quality_weights(self, info: Info, input: SetQualityWeightsInput) -> QualityWeights | None:  # noqa: A002
        weights = input.to_proto()
        _name_fields(weights.weights, customer_pb2.Customer.DESCRIPTOR)
        request = quality_service_pb2.SetQualityWeightsRequest(
            quality_weights=weights, request_id=input.request_id or ""
        )
        return QualityWeights(await info.context.calls(info.context.services.quality.SetQualityWeights, request))

    @mutation("Sets which fields people see of records of a kind, and which must be filled in.")
    async def set_field_template(self, info: Info, input: SetFieldTemplateInput) -> FieldTemplate | None:  # noqa: A002
        template = input.to_proto()
        record = contact_pb2.Contact if template.entity == "contact" else customer_pb2.Customer
        _name_fields(template.shown_fields, record.DESCRIPTOR)
        request = custom_field_service_pb2.SetFieldTemplateRequest(
            field_template=template, request_id=input.request_id or ""
        )
        return FieldTemplate(await info.context.calls(info.context.services.custom_fields.SetFieldTemplate, request))


def _tag(given: Any) -> tag_service_pb2.Tag:
    message: tag_service_pb2.Tag = given.to_proto()
    rule = to_filter(given.rule or None, customer_pb2.Customer.DESCRIPTOR)
    if rule is not None:
        message.rule.CopyFrom(rule)
    return message


def _name_fields(parts: Any, record: Descriptor) -> None:
    """Call the fields that the parts name as the services do."""
    for part, name in zip(parts, to_fields([part.field for part in parts], record), strict=True):
        part.field = name
