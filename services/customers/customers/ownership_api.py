"""The gRPC methods of OwnershipService, and what they send and take."""

from collections.abc import Set
from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Any

from chassis.calls import Calls
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name
from crm.customers.v1 import ownership_pb2, ownership_service_pb2, ownership_service_pb2_grpc

from customers.model.ownership import OwnershipPolicy
from customers.ownership import Passport, Tenure, passport, policy_row
from customers.usecases.update_ownership_policy import POLICY_NAME, update_ownership_policy

POLICY_FIELDS = frozenset({"former_owner_share", "decay_days"})


class OwnershipServicer(ownership_service_pb2_grpc.OwnershipServiceServicer):
    """Implements OwnershipService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetOwnershipPassport(
        self, request: ownership_service_pb2.GetOwnershipPassportRequest, context: Any
    ) -> ownership_pb2.OwnershipPassport:
        customer_id = parse_name("customers", request.customer, field="customer")
        at = request.at.ToDatetime(UTC) if request.HasField("at") else None
        with self.calls.read() as session:
            return _passport_to_proto(passport(session, customer_id, at))

    def GetOwnershipPolicy(
        self, request: ownership_service_pb2.GetOwnershipPolicyRequest, context: Any
    ) -> ownership_pb2.OwnershipPolicy:
        with self.calls.read() as session:
            return policy_to_proto(policy_row(session))

    def UpdateOwnershipPolicy(
        self, request: ownership_service_pb2.UpdateOwnershipPolicyRequest, context: Any
    ) -> ownership_pb2.OwnershipPolicy:
        changes = _changes(request.policy, changed_paths(request.policy, request.update_mask, POLICY_FIELDS))
        return self.calls.write(
            request,
            ownership_pb2.OwnershipPolicy,
            lambda session: policy_to_proto(update_ownership_policy(session, changes, request.policy.etag)),
        )


def policy_to_proto(policy: OwnershipPolicy) -> ownership_pb2.OwnershipPolicy:
    """The policy as it is sent."""
    return ownership_pb2.OwnershipPolicy(
        name=POLICY_NAME,
        former_owner_share=_plain(policy.former_owner_share),
        decay_days=policy.decay_days,
        etag=etag(policy.version),
    )


def _passport_to_proto(held: Passport) -> ownership_pb2.OwnershipPassport:
    message = ownership_pb2.OwnershipPassport(
        customer=make_name("customers", held.customer_id),
        former_owner_share=_plain(held.policy.former_owner_share),
        decay_days=held.policy.decay_days,
        tenures=map(tenure_to_proto, held.tenures),
        complete=held.complete,
    )
    message.at.FromDatetime(held.at)
    return message


def tenure_to_proto(tenure: Tenure) -> ownership_pb2.OwnershipTenure:
    """A time that somebody owned a customer."""
    message = ownership_pb2.OwnershipTenure(
        owner=make_name("users", tenure.owner_id), credit_share=_plain(tenure.credit), days_since=tenure.days_since
    )
    message.from_time.FromDatetime(tenure.from_time)
    if tenure.to_time is not None:
        message.to_time.FromDatetime(tenure.to_time)
    return message


def _changes(policy: ownership_pb2.OwnershipPolicy, paths: Set[str]) -> dict[str, Any]:
    values: dict[str, Any] = {path: getattr(policy, path) for path in paths}
    if "former_owner_share" in values:
        try:
            share = Decimal(policy.former_owner_share)
        except InvalidOperation:
            share = Decimal("NaN")
        if not share.is_finite():
            raise Invalid("INVALID_NUMBER", "give a fraction such as 0.3", field="former_owner_share")
        values["former_owner_share"] = share
    return values


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
