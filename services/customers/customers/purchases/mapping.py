"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Iterable, Sequence, Set
from datetime import UTC
from decimal import Decimal
from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from crm.common.v1 import job_pb2, money_pb2
from crm.customers.v1 import purchase_pb2, purchase_service_pb2, rfm_pb2

from customers.model.purchases import RfmPolicy, RfmRun, RfmScore
from customers.purchases.queries import Summary
from customers.purchases.rfm import DEFAULT_PERIOD_DAYS, RfmBase, RfmMethod, RfmParameters
from customers.usecases.record_purchases import PurchaseDraft, PurchaseOutcome
from customers.usecases.update_rfm_policy import POLICY_NAME

POLICY_FIELDS = frozenset({"nightly", "parameters", "keep_days", "keep_months"})
"""What can be changed of the policy."""


def draft_from_proto(message: purchase_pb2.Purchase) -> PurchaseDraft:
    """A purchase as another system tells it."""
    kinds = purchase_pb2.PurchaseKind
    known = message.kind in kinds.values()
    return PurchaseDraft(
        customer=message.customer,
        source=message.source,
        external_id=message.external_id,
        kind=kinds.Name(message.kind).removeprefix("PURCHASE_KIND_") if known else str(message.kind),
        time=message.time.ToDatetime(UTC) if message.HasField("time") else None,
        currency=message.amount.currency_code,
        amount=message.amount.amount,
        base_amount=message.base_amount,
    )


def purchase_to_proto(row: Any) -> purchase_pb2.Purchase:
    """A purchase."""
    return purchase_pb2.Purchase(
        name=f"purchases/{row.id}",
        customer=f"customers/{row.customer_id}",
        source=row.source,
        external_id=row.external_id,
        kind=purchase_pb2.PurchaseKind.Value(f"PURCHASE_KIND_{row.kind}"),
        time=row.time,
        amount=money(row.amount, row.currency),
        base_amount=plain(row.base_amount),
        record_time=row.record_time,
    )


def outcome_to_proto(outcome: PurchaseOutcome) -> purchase_service_pb2.PurchaseOutcome:
    """What came of recording a purchase."""
    if (refusal := outcome.refusal) is None:
        return purchase_service_pb2.PurchaseOutcome(name=f"purchases/{outcome.purchase_id}", created=outcome.created)
    faults = refusal.violations if isinstance(refusal, Invalid) else ()
    fault: Any = faults[0] if faults else refusal
    return purchase_service_pb2.PurchaseOutcome(reason=fault.reason, field=fault.field, message=fault.message)


def insight_to_proto(customer: str, row: Any, currency: str) -> purchase_pb2.PurchaseInsight:
    """What a customer has bought so far."""
    return purchase_pb2.PurchaseInsight(
        customer=customer,
        order_count=row.order_count,
        ordered=money(row.ordered, currency),
        payment_count=row.payment_count,
        paid=money(row.paid, currency),
        refunded=money(row.refunded, currency),
        first_purchase_time=row.first_time,
        last_purchase_time=row.last_time,
        sources=sorted(row.sources or ()),
        last_record_time=row.last_record_time,
    )


def parameters_from_proto(message: rfm_pb2.RfmParameters) -> RfmParameters:
    """How customers are to be scored. Raises Invalid."""
    return RfmParameters(
        period_days=message.period_days,
        base=RfmBase(_named(rfm_pb2.RfmBase, message.base, "RFM_BASE_", "parameters.base") or RfmBase.ORDER),
        method=RfmMethod(
            _named(rfm_pb2.RfmMethod, message.method, "RFM_METHOD_", "parameters.method") or RfmMethod.INDEPENDENT
        ),
        gross=message.gross,
    )


def policy_changes(policy: rfm_pb2.RfmPolicy, paths: Set[str]) -> dict[str, Any]:
    """What is stated of the policy, by column. Raises Invalid."""
    changes: dict[str, Any] = {path: getattr(policy, path) for path in paths if path != "parameters"}
    if "parameters" in paths:
        given = parameters_from_proto(policy.parameters)
        changes |= {
            "period_days": given.period_days or DEFAULT_PERIOD_DAYS,
            "base": given.base.value,
            "method": given.method.value,
            "gross": given.gross,
        }
    return changes


def policy_to_proto(policy: RfmPolicy) -> rfm_pb2.RfmPolicy:
    """What is analysed every night, and how long analyses are kept."""
    return rfm_pb2.RfmPolicy(
        name=POLICY_NAME,
        nightly=policy.nightly,
        parameters=_parameters(policy),
        keep_days=policy.keep_days,
        keep_months=policy.keep_months,
        etag=etag(policy.version),
    )


def _parameters(kept: Any) -> rfm_pb2.RfmParameters:
    return rfm_pb2.RfmParameters(
        period_days=kept.period_days,
        base=rfm_pb2.RfmBase.Value(f"RFM_BASE_{kept.base}"),
        method=rfm_pb2.RfmMethod.Value(f"RFM_METHOD_{kept.method}"),
        gross=kept.gross,
    )


def run_to_proto(run: Any) -> rfm_pb2.RfmRun:
    """An analysis."""
    return rfm_pb2.RfmRun(
        name=run.name,
        state=job_pb2.JobState.Value(f"JOB_STATE_{run.state}"),
        analysis_date=run.analysis_date.isoformat(),
        parameters=_parameters(run),
        customer_count=run.customer_count,
        failure_reason=run.failure_reason,
        creator=run.creator,
        create_time=run.create_time,
        end_time=run.end_time,
    )


def score_to_proto(score: RfmScore, run: RfmRun) -> rfm_pb2.RfmScore:
    """How a customer scores."""
    return rfm_pb2.RfmScore(
        customer=f"customers/{score.customer_id}",
        run=run.name,
        analysis_date=run.analysis_date.isoformat(),
        recency_days=score.recency_days,
        frequency=score.frequency,
        monetary=plain(score.monetary),
        recency_score=score.r,
        frequency_score=score.f,
        monetary_score=score.m,
        code=score.r * 100 + score.f * 10 + score.m,
        segment=rfm_pb2.RfmSegment.Value(f"RFM_SEGMENT_{score.segment}"),
        type=rfm_pb2.RfmType.Value(f"RFM_TYPE_{score.type}"),
    )


def summary_to_proto(summary: Summary) -> rfm_pb2.RfmSummary:
    """How customers lie in segments and types."""
    return rfm_pb2.RfmSummary(
        run=run_to_proto(summary.run),
        segments=[
            rfm_pb2.RfmSegmentLine(
                segment=rfm_pb2.RfmSegment.Value(f"RFM_SEGMENT_{line.code}"),
                customer_count=line.customers,
                monetary=plain(line.monetary),
            )
            for line in summary.segments
        ],
        types=[
            rfm_pb2.RfmTypeLine(
                type=rfm_pb2.RfmType.Value(f"RFM_TYPE_{line.code}"),
                customer_count=line.customers,
                monetary=plain(line.monetary),
            )
            for line in summary.types
        ],
    )


def segments_from_proto(values: Iterable[int]) -> list[str]:
    """The codes of segments. Raises Invalid."""
    return _all_named(rfm_pb2.RfmSegment, values, "RFM_SEGMENT_", "segments")


def types_from_proto(values: Iterable[int]) -> list[str]:
    """The codes of types. Raises Invalid."""
    return _all_named(rfm_pb2.RfmType, values, "RFM_TYPE_", "types")


def _all_named(enum: Any, values: Iterable[int], prefix: str, path: str) -> list[str]:
    names: Sequence[str] = [_named(enum, value, prefix, path) for value in values]
    if not all(names):
        raise Invalid("INVALID_VALUE", "name each value", field=path)
    return list(names)


def _named(enum: Any, value: int, prefix: str, path: str) -> str:
    """The name of a value, empty for UNSPECIFIED."""
    if value and value not in enum.values():
        raise Invalid("INVALID_VALUE", f"there is no value {value} here", field=path)
    return str(enum.Name(value).removeprefix(prefix)) if value else ""


def money(amount: Decimal, currency: str) -> money_pb2.Money:
    """An amount with its currency."""
    return money_pb2.Money(currency_code=currency, amount=plain(amount))


def plain(amount: Decimal) -> str:
    """An amount as people write it: two digits behind the point, or as many as it needs."""
    text = f"{amount:.4f}"
    return text.removesuffix("00") if text.endswith("00") else text.rstrip("0")
