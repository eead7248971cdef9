"""Scores by rules and by a model, set by one statement for many leads, and what they come from."""

import random
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Denied, Invalid, NotFound, Stale
from chassis.field_rules import FieldEffect
from chassis.names import new_id
from chassis.testing import make_caller
from leads.model import FollowUp, Lead, ScoringModel
from leads.scoring import learning, models
from leads.scoring.learning import Fitted, Model, Weight, compare, learn, model_of
from leads.scoring.rules import DEFAULT, BehaviourRule, FitRule, Rules, rules_in_force
from leads.scoring.scoring import explain, rescore, rescore_stale
from leads.scoring.updating import update_scoring_rules
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import select, text


@pytest.fixture
def me():
    return make_caller(department_path="r/a/")


@pytest.fixture
def create(database, me):
    def make(**values):
        values.setdefault("company_name", f"公司{new_id().hex}")
        with database.write(me) as session:
            return create_lead(session, LeadDraft(values)).id

    return make


@pytest.fixture
def touch(database, clock):
    def log(lead_id, days_ago=0.0, verdict="EFFECTIVE", **values):
        with database.write(service_caller("leads")) as session:
            session.add(
                FollowUp(
                    lead_id=lead_id,
                    method="CALL",
                    content="谈过",
                    occur_time=clock() - timedelta(days=days_ago),
                    author="users/x",
                    reminder_open=False,
                    verdict=verdict,
                    create_time=clock(),
                    **values,
                )
            )

    return log


@pytest.fixture
def set_rules(database, me):
    def change(**changes):
        with database.write(me) as session:
            return update_scoring_rules(session, changes, "")

    return change


def scored(database, lead_id):
    with database.write(service_caller("leads")) as session:
        rescore(session, [lead_id])
    with database.read(service_caller("leads")) as session:
        return tuple(session.execute(select(Lead.score, Lead.grade).where(Lead.id == lead_id)).one())


def there(field):
    return {"condition": {"field": field, "operator": "OPERATOR_IS_NOT_EMPTY"}}


def test_a_score_is_the_sum_of_fit_and_of_behaviour_that_fades(database, create, touch, set_rules):
    makers = {"condition": {"field": "industry", "operator": "OPERATOR_EQUAL", "values": [{"text": "制造业"}]}}
    fit = (FitRule("制造业", makers, 30),)
    behaviour = (
        BehaviourRule("有效跟进", "EFFECTIVE_FOLLOW_UP", 16, half_life_days=7, most_points=30),
        BehaviourRule("客户回应", "REPLY", 10),
    )
    set_rules(fit=fit, behaviour=behaviour, grade_a=60, grade_b=40, grade_c=20)
    lead, other = create(industry="制造业"), create(industry="金融业")
    assert (scored(database, lead), scored(database, other)) == ((30, "C"), (0, "D"))
    touch(lead, days_ago=7)
    assert scored(database, lead) == (38, "C"), "half of 16 is left after a half-life"
    touch(lead, days_ago=0, inbound=True)
    assert scored(database, lead) == (64, "A"), "8 + 16 of follow-ups, 10 of the reply"
    touch(lead, days_ago=0)
    assert scored(database, lead) == (70, "A"), "follow-ups come to 30 at most"
    touch(other, days_ago=0, verdict="NOT_EFFECTIVE")
    assert scored(database, other) == (0, "D")


def test_points_fade_by_the_day_without_anything_happening(database, clock, create, touch, set_rules):
    set_rules(fit=(), behaviour=(BehaviourRule("有效跟进", "EFFECTIVE_FOLLOW_UP", 40, half_life_days=1),))
    lead = create()
    touch(lead)
    assert scored(database, lead) == (40, "C")
    clock.set(clock() + timedelta(days=2))
    with database.write(service_caller("leads")) as session:
        assert rescore_stale(session) == 1
        assert rescore_stale(session) == 0
    with database.read(service_caller("leads")) as session:
        assert session.scalar(select(Lead.score)) == 10


def test_new_rules_make_all_scores_stale_and_closed_leads_keep_theirs(database, clock, me, create, set_rules):
    leads = [create() for _ in range(3)]
    for lead in leads:
        scored(database, lead)
    with database.write(me) as session:
        update_lead(session, leads[0], {"remark": "x"})
        session.execute(text("UPDATE lead SET status = 'DISQUALIFIED' WHERE id = :id"), {"id": leads[0]})
    clock.set(clock() + timedelta(seconds=1))
    set_rules(fit=(FitRule("有公司", there("company_name"), 55),), behaviour=())
    with database.write(service_caller("leads")) as session:
        assert rescore_stale(session) == 2
    with database.read(me) as session:
        found = dict(session.execute(select(Lead.id, Lead.score)).all())
    assert [found[key] for key in leads[1:]] == [55, 55]
    assert found[leads[0]] != 55


def test_scoring_changes_neither_version_nor_events(database, create, facts):
    lead = create()
    before = facts()
    scored(database, lead)
    with database.read(service_caller("leads")) as session:
        assert session.scalar(select(Lead.version)) == 1
    assert facts() == before


def test_an_explanation_names_each_factor_and_sums_to_the_score(database, me, create, touch):
    lead = create(phones=["13800138000"], requirement="十台", industry="制造业")
    touch(lead, days_ago=14)
    score, grade = scored(database, lead)
    with database.read(me) as session:
        told = explain(session, lead)
    assert (told.score, told.grade, told.by_model) == (score, grade, False)
    assert round(sum(points for _, points in told.factors)) == score
    assert dict(told.factors) == {
        "留有电话": 15, "说明了需求": 15, "留有公司名称": 10, "新进线索": 10, "已知行业": 5, "有效跟进": 5
    }  # fmt: skip
    with database.read(make_caller("lead.read", reach=Reach.SELF)) as session, pytest.raises(NotFound):
        explain(session, lead)


def test_what_is_hidden_is_not_told_by_factors(database, me, create):
    lead = create(phones=["13800138000"])
    blind = replace(me, field_rules={"lead": {"phones": FieldEffect.HIDE}})
    with database.read(blind) as session:
        assert "留有电话" not in dict(explain(session, lead).factors)


def test_a_model_scores_by_its_weights_and_explains_by_them(database, me, create):
    weights = [Weight("source", "展会", 2.0), Weight("phones", "", 1.0), Weight("industry", "金融业", -3.0)]
    with database.write(service_caller("leads")) as session:
        kept = ScoringModel(id=1, in_use=True, intercept=-1.0, weights=[asdict(one) for one in weights])
        kept.measures, kept.train_time = {}, session.now
        session.add(kept)
    lead = create(source="展会", phones=["13800138000"])
    assert scored(database, lead) == (88, "A"), "100 / (1 + exp(-(2 + 1 - 1)))"
    assert scored(database, create()) == (27, "D")
    with database.read(me) as session:
        told = explain(session, lead)
    assert (told.by_model, told.factors) == (True, [("source=展会", 2.0), ("phones", 1.0)])


def outcome_of(sample, chance):
    return chance.random() < (0.9 if sample.get("source") == "介绍" else 0.1)


def samples_of(number, chance):
    return [{"source": chance.choice(["介绍", "广告", "展会"]), "phones": 1.0} for _ in range(number)]


def test_what_was_learned_is_used_only_if_it_beats_the_rules_beyond_doubt():
    chance = random.Random(3)
    samples = samples_of(600, chance)
    outcomes = [outcome_of(sample, chance) for sample in samples]
    fitted, verdict = learn(samples, outcomes, [chance.random() for _ in samples])
    assert verdict.better
    assert verdict.difference.low > 0
    assert verdict.model.low <= verdict.model.value <= verdict.model.high
    assert fitted.coefficients["source=介绍"] > 1 > -0.5 > fitted.coefficients["source=广告"]
    _, even = learn(samples, outcomes, [float(sample["source"] == "介绍") for sample in samples])
    assert not even.better
    noise = [chance.random() < 0.5 for _ in samples]
    _, blind = learn(samples, noise, [chance.random() for _ in samples])
    assert not blind.better


def test_too_few_outcomes_teach_nothing():
    chance = random.Random(3)
    samples = samples_of(600, chance)
    assert learn(samples, [False] * 590 + [True] * 10, [0.0] * 600) is None
    assert learn(samples[:100], [True, False] * 50, [0.0] * 100) is None


def test_the_database_computes_what_was_fitted(database, create):
    fitted = Fitted(-0.5, {"source=展会": 1.25, "phones": 0.75, "emails": -0.5})
    lead = create(source="展会", emails=["a@example.com"])
    with database.write(service_caller("leads")) as session:
        model = model_of(fitted)
        kept = ScoringModel(id=1, in_use=True, intercept=model.intercept, train_time=session.now)
        kept.weights, kept.measures = [asdict(one) for one in model.weights], {}
        session.add(kept)
        session.flush()
        row = session.get(Lead, lead)
        odds = fitted.log_odds(learning.sample_of(row))
    assert scored(database, lead)[0] == round(100 / (1 + 2.718281828459045**-odds))


def test_training_reads_the_outcomes_in_the_order_of_time(database, clock, create):
    won, lost, _ = create(source="介绍"), create(phones=["13800138000"]), create()
    with database.write(service_caller("leads")) as session:
        for key, status in ((won, "CONVERTED"), (lost, "DISQUALIFIED")):
            session.execute(text("UPDATE lead SET status = :status WHERE id = :id"), {"id": key, "status": status})
    with database.read(service_caller("leads")) as session:
        samples, outcomes, by_rules = models._known(session)
    assert outcomes == [True, False]
    assert samples[0] == {"company_name": 1.0, "source": "介绍"}
    assert by_rules == [10, 25]


def test_rules_are_the_default_until_the_company_sets_its_own(database, me, set_rules):
    with database.read(me) as session:
        assert rules_in_force(session).rules == DEFAULT.checked()
    assert set_rules(grade_a=80).version == 1
    assert set_rules(grade_a=80).version == 1
    with database.read(me) as session:
        assert rules_in_force(session).rules.grade_a == 80
    with database.write(me) as session, pytest.raises(Stale):
        update_scoring_rules(session, {"grade_a": 90}, "v0")
    narrow = make_caller("lead.configure", reach=Reach.DEPARTMENT)
    with database.write(narrow) as session, pytest.raises(Denied):
        update_scoring_rules(session, {"grade_a": 90}, "")


OF_ITSELF = {"condition": {"field": "score", "operator": "OPERATOR_GREATER", "values": [{"number": 5}]}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"grade_b": 70}, "INVALID_GRADES"),
        ({"fit": (FitRule("", there("phones"), 5),)}, "REQUIRED"),
        ({"fit": (FitRule("零", there("phones"), 0),)}, "OUT_OF_RANGE"),
        ({"fit": (FitRule("无", there("nothing"), 5),)}, "UNKNOWN_FIELD"),
        ({"fit": (FitRule("自己", OF_ITSELF, 5),)}, "UNKNOWN_FIELD"),
        ({"fit": (FitRule("多", there("phones"), 5),) * 51}, "TOO_MANY"),
        ({"behaviour": (BehaviourRule("吸烟", "SMOKE", 5),)}, "UNKNOWN_VALUE"),
        ({"behaviour": (BehaviourRule("久", "REPLY", 5, half_life_days=366),)}, "OUT_OF_RANGE"),
        ({"behaviour": (BehaviourRule("多", "REPLY", 5, most_points=0),)}, "OUT_OF_RANGE"),
    ],
)
def test_rules_that_make_no_sense_are_refused(database, set_rules, changes, reason):
    with pytest.raises(Invalid) as refused:
        set_rules(**changes)
    assert refused.value.reason == reason


def test_nobody_makes_rules_over_what_their_roles_hide(database, me):
    blind = replace(me, field_rules={"lead": {"phones": FieldEffect.MASK}})
    with pytest.raises(Denied) as refused, database.write(blind) as session:
        update_scoring_rules(session, {"fit": (FitRule("有电话", there("phones"), 5),)}, "")
    assert refused.value.reason == "FIELD_NOT_READABLE"
    with database.write(blind) as session:
        update_scoring_rules(session, {"grade_a": 80}, "")


def test_rules_are_kept_as_they_were_given():
    assert Rules.from_json(DEFAULT.to_json()) == DEFAULT
    assert Model(1.0, (Weight("source", "展会", 2.0),)).weights[0].title == "source=展会"
    assert compare([True, False] * 40, [1.0, 0.0] * 40, [0.0, 1.0] * 40, 10).better
