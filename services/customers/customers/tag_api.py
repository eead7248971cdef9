"""The gRPC methods on tags and the quality of data."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.etags import etag
from chassis.filters import filter_from_json, filter_to_json
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import SortKey, fetch_page, fingerprint, page_size
from crm.customers.v1 import (
    customer_pb2,
    quality_service_pb2,
    quality_service_pb2_grpc,
    tag_service_pb2,
    tag_service_pb2_grpc,
)
from google.protobuf.empty_pb2 import Empty
from sqlalchemy import select

from customers import cleaning, mapping
from customers.model.tags import QualityWeights, Tag
from customers.quality import DEFAULT_WEIGHTS
from customers.usecases.create_tag import TagDraft, create_tag
from customers.usecases.delete_tag import delete_tag
from customers.usecases.set_quality_weights import set_quality_weights
from customers.usecases.update_tag import FIELDS, update_tag

_KIND = "CUSTOMER_KIND_"
_LIST = "CLEANING_LIST_"


class TagServicer(tag_service_pb2_grpc.TagServiceServicer):
    """Implements TagService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListTags(self, request: tag_service_pb2.ListTagsRequest, context: Any) -> tag_service_pb2.ListTagsResponse:
        keys = [SortKey(Tag.display_name, nullable=False)]
        with self.calls.read() as session:
            size = page_size(request.page_size)
            page = fetch_page(session, select(Tag), keys, size, request.page_token, fingerprint("tags"))
        return tag_service_pb2.ListTagsResponse(tags=map(tag_to_proto, page.rows), next_page_token=page.next_token)

    def CreateTag(self, request: tag_service_pb2.CreateTagRequest, context: Any) -> tag_service_pb2.Tag:
        given = request.tag
        rule = filter_to_json(given.rule) if given.HasField("rule") else None
        draft = TagDraft(given.display_name, given.colour, given.group, rule)
        return self.calls.write(request, tag_service_pb2.Tag, lambda session: tag_to_proto(create_tag(session, draft)))

    def UpdateTag(self, request: tag_service_pb2.UpdateTagRequest, context: Any) -> tag_service_pb2.Tag:
        given = request.tag
        tag_id = parse_name("tags", given.name)
        paths = changed_paths(given, request.update_mask, FIELDS)
        values: dict[str, Any] = {path: getattr(given, path) for path in paths}
        if "rule" in values:
            values["rule"] = filter_to_json(given.rule) if given.HasField("rule") else None
        return self.calls.write(
            request,
            tag_service_pb2.Tag,
            lambda session: tag_to_proto(update_tag(session, tag_id, values, etag=given.etag)),
        )

    def DeleteTag(self, request: tag_service_pb2.DeleteTagRequest, context: Any) -> Empty:
        tag_id = parse_name("tags", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_tag(session, tag_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)


class QualityServicer(quality_service_pb2_grpc.QualityServiceServicer):
    """Implements QualityService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetQualityWeights(
        self, request: quality_service_pb2.GetQualityWeightsRequest, context: Any
    ) -> quality_service_pb2.QualityWeights:
        kind = _name(_KIND, customer_pb2.CustomerKind, request.kind) or "COMPANY"
        with self.calls.read() as session:
            stored = session.get(QualityWeights, kind)
        return _weights_to_proto(stored, kind)

    def SetQualityWeights(
        self, request: quality_service_pb2.SetQualityWeightsRequest, context: Any
    ) -> quality_service_pb2.QualityWeights:
        given = request.quality_weights
        kind = _name(_KIND, customer_pb2.CustomerKind, given.kind)
        weights = [(one.field, one.weight) for one in given.weights]
        return self.calls.write(
            request,
            quality_service_pb2.QualityWeights,
            lambda session: _weights_to_proto(set_quality_weights(session, kind, weights, etag=given.etag), kind),
        )

    def ListCustomersToClean(
        self, request: quality_service_pb2.ListCustomersToCleanRequest, context: Any
    ) -> quality_service_pb2.ListCustomersToCleanResponse:
        with self.calls.read() as session:
            page = cleaning.list_to_clean(
                session,
                _name(_LIST, quality_service_pb2.CleaningList, request.list),
                field=request.empty_field,
                days=request.days,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return quality_service_pb2.ListCustomersToCleanResponse(
            customers=map(mapping.customer_to_proto, page.rows), next_page_token=page.next_token
        )


def tag_to_proto(tag: Tag) -> tag_service_pb2.Tag:
    """A tag as a message."""
    message = tag_service_pb2.Tag(
        name=tag.name,
        display_name=tag.display_name,
        colour=tag.colour,
        group=tag.tag_group,
        creator=tag.creator,
        etag=etag(tag.version),
    )
    message.create_time.FromDatetime(tag.create_time)
    message.update_time.FromDatetime(tag.update_time)
    if tag.rule is not None:
        message.rule.CopyFrom(filter_from_json(tag.rule))
    return message


def _weights_to_proto(stored: QualityWeights | None, kind: str) -> quality_service_pb2.QualityWeights:
    weights = stored.weights if stored is not None else DEFAULT_WEIGHTS[kind]
    return quality_service_pb2.QualityWeights(
        kind=customer_pb2.CustomerKind.Value(_KIND + kind),
        weights=[quality_service_pb2.FieldWeight(field=name, weight=weight) for name, weight in weights.items()],
        etag=etag(stored.version if stored is not None else 0),
    )


def _name(prefix: str, enum: Any, number: int) -> str:
    """The name of an enum's value without its prefix; empty for none."""
    name: str = enum.Name(number).removeprefix(prefix) if number in enum.values() else ""
    return "" if name == "UNSPECIFIED" else name
