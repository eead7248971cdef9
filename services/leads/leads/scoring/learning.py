"""Learning how likely leads are to buy from those whose outcome is known, and judging what was learned.

A logistic regression over what is known of a lead from the beginning: each feature is a field that holds something, or
a value of a field. It is fitted by LIBLINEAR, which is loaded for that alone; scores are computed from its weights
by the database. It is used only if it beats the rules on leads that it was not fitted on: they are split by time, as
those that will be scored come later than those that were learned from, and of the difference of the areas under the
curves the lower end of the 95 % interval by bootstrap must lie above 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import quantiles
from typing import Any

from sqlalchemy import ColumnElement

from leads.model import Lead

LISTS = ("phones", "emails")
PRESENT = ("company_name", "contact_name", "phones", "emails", "wechat", "credit_code", "requirement", "external_id")
"""Fields of which it counts whether they hold anything."""
VALUED = ("source", "channel", "medium", "campaign", "industry", "province", "city")
"""Fields of which it counts what they hold."""
RARE = 20
"""Values that fewer leads have tell nothing of their own."""
HELD_OUT = 0.3
"""The share of leads, the latest, that a model is judged on."""
LEAST_SAMPLES = 200
LEAST_OF_EACH = 30
"""How many leads of either outcome have to be on either side of the split."""
RESAMPLES = 1_000
_SEED = 20260101
_TOLERANCE = 1e-6

Sample = Mapping[str, str | float]
"""Feature → value: a text counts as a feature of its own, a number by its size."""


@dataclass(frozen=True)
class Weight:
    """How much a feature counts: in units of the logarithm of the odds."""

    field: str
    value: str
    """The value that counts; empty if it counts that the field holds anything."""
    weight: float

    @property
    def title(self) -> str:
        """What it is called in explanations: the field, and the value."""
        return f"{self.field}={self.value}" if self.value else self.field

    def predicate(self) -> ColumnElement[bool]:
        """Whether a lead has the feature."""
        column: Any = getattr(Lead, self.field)
        if self.value:
            held: ColumnElement[bool] = column.is_not_distinct_from(self.value)
        else:
            held = column != [] if self.field in LISTS else column.is_not(None)
        return held


@dataclass(frozen=True)
class Model:
    """What was learned."""

    intercept: float
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Interval:
    """A measure, with its 95 % interval by bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """How a model and the rules did on leads that the model was not fitted on."""

    fitted_on: int
    judged_on: int
    model: Interval
    """The area under the receiver operating characteristic."""
    rules: Interval
    difference: Interval
    """Of the model from the rules, on the same resamples."""

    @property
    def better(self) -> bool:
        """Whether the model beats the rules."""
        return self.difference.low > 0

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


@dataclass(frozen=True)
class Fitted:
    """A fitted regression."""

    intercept: float
    coefficients: Mapping[str, float]
    """Feature → weight; of texts `feature=value`."""

    def log_odds(self, sample: Sample) -> float:
        """What a sample comes to. Features that were not seen when fitting count nothing."""
        total = self.intercept
        for name, value in sample.items():
            if isinstance(value, str):
                total += self.coefficients.get(f"{name}={value}", 0.0)
            else:
                total += self.coefficients.get(name, 0.0) * value
        return total


def sample_of(lead: Any) -> Sample:
    """The features of a lead."""
    present = {field: 1.0 for field in PRESENT if getattr(lead, field)}
    return present | {field: getattr(lead, field) for field in VALUED if getattr(lead, field)}


def fit(samples: Sequence[Sample], outcomes: Sequence[bool]) -> Fitted:
    """Fit a regression. Texts that fewer than RARE samples have are left out."""
    from pyliblinear import FeatureMatrix, Model, Solver

    common = _common(samples)
    features = [_numbers(_kept(sample, common)) for sample in samples]
    # Each feature is measured by its largest size, so that all are restrained alike.
    sizes: dict[str, float] = {}
    for each in features:
        for name, value in each.items():
            sizes[name] = max(sizes.get(name, 0.0), abs(value))
    names = sorted(name for name, size in sizes.items() if size)
    places = {name: place for place, name in enumerate(names, 1)}
    rows = ({places[name]: value / sizes[name] for name, value in each.items() if name in places} for each in features)
    matrix = FeatureMatrix.from_iterables(map(int, outcomes), rows)
    model = Model.train(matrix, Solver("L2R_LR", C=1.0, eps=_TOLERANCE, regularize_bias=False), bias=1.0)
    # What nothing and what each feature by itself comes to.
    probes = [{}, *({place: 1.0} for place in places.values())]
    intercept, *sums = (decision[1] for _, decision in model.predict(FeatureMatrix(probes, 0), label_only=False))
    weights = {name: (total - intercept) / sizes[name] for name, total in zip(names, sums, strict=True)}
    return Fitted(intercept, weights)


def _numbers(sample: Sample) -> dict[str, float]:
    """A sample's features as a regression takes them, named as in `Fitted.coefficients`."""
    return {
        f"{name}={value}" if isinstance(value, str) else name: 1.0 if isinstance(value, str) else value
        for name, value in sample.items()
    }


def _common(samples: Sequence[Sample]) -> set[tuple[str, str]]:
    counts: dict[tuple[str, str], int] = {}
    for sample in samples:
        for name, value in sample.items():
            if isinstance(value, str):
                counts[name, value] = counts.get((name, value), 0) + 1
    return {key for key, count in counts.items() if count >= RARE}


def _kept(sample: Sample, common: set[tuple[str, str]]) -> Sample:
    return {name: value for name, value in sample.items() if not isinstance(value, str) or (name, value) in common}


def compare(outcomes: Sequence[bool], by_model: Sequence[float], by_rules: Sequence[float], fitted_on: int) -> Verdict:
    """How two ways of scoring the same leads compare."""
    random, everybody = Random(_SEED), range(len(outcomes))  # noqa: S311 - it draws samples, not secrets
    cells = _cells(outcomes, by_model), _cells(outcomes, by_rules)
    drawn: list[tuple[float, float]] = []
    while len(drawn) < RESAMPLES:
        chosen = random.choices(everybody, k=len(everybody))
        if 0 < sum(outcomes[one] for one in chosen) < len(chosen):
            drawn.append((_area(cells[0], chosen), _area(cells[1], chosen)))
    whole = _area(cells[0], everybody), _area(cells[1], everybody)

    def interval(value: float, values: Iterable[float]) -> Interval:
        cuts = quantiles(values, n=40, method="inclusive")
        return Interval(value, cuts[0], cuts[-1])

    return Verdict(
        fitted_on=fitted_on,
        judged_on=len(outcomes),
        model=interval(whole[0], (model for model, _ in drawn)),
        rules=interval(whole[1], (rules for _, rules in drawn)),
        difference=interval(whole[0] - whole[1], (model - rules for model, rules in drawn)),
    )


def _cells(outcomes: Sequence[bool], scores: Sequence[float]) -> Sequence[int]:
    """Sample → twice the rank of its score, plus 1 for those that bought. Equal scores have one rank."""
    ranks = {score: rank for rank, score in enumerate(sorted(set(scores)))}
    return [2 * ranks[score] + outcome for score, outcome in zip(scores, outcomes, strict=True)]


def _area(cells: Sequence[int], chosen: Iterable[int]) -> float:
    """The area under the receiver operating characteristic, for samples of both outcomes: the share of pairs of one who
    bought and one who did not in which the first scores higher, ties counting half (Hanley and McNeil 1982)."""
    counted = Counter(map(cells.__getitem__, chosen))
    pairs, lost_below = 0.0, 0
    for cell in sorted({each & ~1 for each in counted}):
        pairs += counted[cell + 1] * (lost_below + counted[cell] / 2)
        lost_below += counted[cell]
    return pairs / (lost_below * (counted.total() - lost_below))


def learn(
    samples: Sequence[Sample], outcomes: Sequence[bool], by_rules: Sequence[float]
) -> tuple[Fitted, Verdict] | None:
    """Fit on the earlier samples and judge on the later ones; they come in the order of time. None if there are too few
    of either outcome to say anything."""
    cut = round(len(samples) * (1 - HELD_OUT))
    if len(samples) < LEAST_SAMPLES or not all(_enough(part) for part in (outcomes[:cut], outcomes[cut:])):
        return None
    fitted = fit(samples[:cut], outcomes[:cut])
    judged = [fitted.log_odds(sample) for sample in samples[cut:]]
    return fitted, compare(outcomes[cut:], judged, by_rules[cut:], cut)


def _enough(outcomes: Sequence[bool]) -> bool:
    return min(sum(outcomes), len(outcomes) - sum(outcomes)) >= LEAST_OF_EACH


def model_of(fitted: Fitted) -> Model:
    """The regression over leads in the form that the database computes by."""
    weights = []
    for name, weight in sorted(fitted.coefficients.items()):
        field, _, value = name.partition("=")
        weights.append(Weight(field, value, weight))
    return Model(fitted.intercept, tuple(weights))
