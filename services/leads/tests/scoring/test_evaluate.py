"""What learning is worth on a public set of leads, by what is known of them beforehand."""

import pytest
from leads.scoring import evaluate

PATH = evaluate.folder() / evaluate.FILE

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason="needs the public data sets: name their folder in CRM_DATA")


def test_the_model_beats_the_rules_without_what_tells_the_outcome():
    verdict = evaluate.evaluate(PATH)
    assert (verdict.fitted_on, verdict.judged_on) == (6_468, 2_772)
    assert verdict.better
    assert 0.84 < verdict.model.value < 0.90, "above that something leaks"
    assert verdict.model.low <= 0.866 <= verdict.model.high, "what is known beforehand is reckoned to reach 0.866"


def test_no_column_that_tells_the_outcome_is_learned_from():
    samples, outcomes = evaluate.read(PATH)
    names = {name for sample in samples for name in sample}
    assert not names & evaluate.LEAKING
    assert "Converted" not in names
    assert 0.3 < sum(outcomes) / len(outcomes) < 0.5
