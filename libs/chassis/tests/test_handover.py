"""Every record goes to one successor that the first rule that fits it allows, and the successors take turns."""

from collections import Counter
from uuid import UUID

from chassis.handover import Rule, deal
from chassis.handover.rules import read_rules
from chassis.names import new_id
from hypothesis import given
from hypothesis import strategies as st

PEOPLE = [new_id() for _ in range(5)]
successors = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True)


@st.composite
def hand_overs(draw: st.DrawFn) -> tuple[list[Rule], list[tuple[UUID, int]]]:
    """Rules, and records with the number of the rule that fits each."""
    stored = [
        {"entity": "record", "successors": [f"users/{one}" for one in people]}
        for people in draw(st.lists(successors, max_size=4))
    ]
    rules = read_rules(stored, draw(st.sampled_from(PEOPLE)))
    numbers = draw(st.lists(st.sampled_from([rule.number for rule in rules]), max_size=60))
    return rules, [(new_id(), number) for number in numbers]


@given(hand_overs())
def test_each_record_goes_to_one_successor_of_its_rule(made: tuple[list[Rule], list[tuple[UUID, int]]]) -> None:
    rules, records = made
    allowed = {rule.number: set(rule.successors) for rule in rules}
    planned = deal(records, rules, Counter())
    assert [(item.record_id, item.rule) for item in planned] == records
    assert all(item.successor_id in allowed[item.rule] for item in planned)


@given(hand_overs(), st.integers(0, 60))
def test_the_successors_of_a_rule_differ_by_one_at_most(
    made: tuple[list[Rule], list[tuple[UUID, int]]], cut: int
) -> None:
    rules, records = made
    dealt: Counter[int] = Counter()
    planned = deal(records[:cut], rules, dealt) + deal(records[cut:], rules, dealt)  # as if more came in between
    for rule in rules:
        got = Counter(item.successor_id for item in planned if item.rule == rule.number)
        counts = [got[person] for person in rule.successors]
        assert max(counts) - min(counts) <= 1
