"""Whom a follow-up mentions is told of it, if they may read it."""

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Invalid
from chassis.names import new_id
from chassis.testing import make_caller
from leads.automation.authors import learn_holder, learn_role
from leads.drafts import FollowUpDraft
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.log_follow_ups import log_follow_ups


@pytest.fixture
def person(database):
    """Makes an employee known who holds some permissions."""

    def make(*permissions, reach=Reach.ALL, active=True, path="r/", rules=()):
        user_id, role_id = new_id(), new_id()
        grants = [{"permission": one, "reach": str(reach), "departments": []} for one in permissions]
        with database.write(service_caller("leads")) as session:
            learn_user(session, user_id, 1, None, path, active=active)
            learn_role(session, role_id, 1, grants, list(rules))
            learn_holder(session, user_id, 1, [f"roles/{role_id}"])
        return user_id

    return make


@pytest.fixture
def mention(database, directory, known):
    def log(author, *users, content="@王芳 下周一起去"):
        customer = known(author.user_id, "r/a/")
        with database.write(author) as session:
            draft = FollowUpDraft(customer, "CALL", content, mentions=users)
            return log_follow_up(session, draft, directory)

    return log


def told(facts):
    return [data for kind, data in facts() if kind == "NotificationRaised" and data["kind"] == "FOLLOW_UP_MENTIONED"]


def test_who_may_read_it_is_told_and_nobody_else(person, mention, facts):
    author = make_caller(department_path="r/a/")
    reader = person("follow_up.read", "customer.read")
    own = person("follow_up.read", "customer.read", reach=Reach.SELF)
    nothing = person("customer.read")
    logged = mention(author, reader, own, nothing)
    assert logged.mentions == [reader, own, nothing]
    [notice] = told(facts)
    assert (notice["recipient"], notice["resource"]) == (f"users/{reader}", logged.name)
    assert (notice["params"]["author"], notice["params"]["subject_title"]) == (author.subject, "华诚")
    assert "下周" not in str(notice)


def test_nobody_is_told_of_what_they_wrote_themselves(person, mention, facts):
    me = person("follow_up.read", "customer.read")
    mention(make_caller(user_id=me, department_path="r/a/"), me, me)
    assert told(facts) == []


def test_only_employees_who_may_sign_in_are_mentioned(database, directory, known, person, mention, facts):
    author, gone = make_caller(department_path="r/a/"), person("follow_up.read", active=False)
    for users, reason in (([new_id()], "UNKNOWN_USER"), ([gone], "UNKNOWN_USER"),
                          ([new_id() for _ in range(21)], "TOO_MANY")):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            mention(author, *users)
        assert (refused.value.reason, refused.value.field) == (reason, "mentions")
    # Of several, the others are logged.
    customer = known(author.user_id, "r/a/")
    drafts = [FollowUpDraft(customer, "CALL", "好", mentions=(gone,)), FollowUpDraft(customer, "CALL", "谈妥")]
    with database.write(author) as session:
        wrong, right = log_follow_ups(session, drafts, directory)
    assert (wrong.reason, right.content) == ("UNKNOWN_USER", "谈妥")
