"""What is said of the access to a lead is what reading it really comes to, for employees and for partners."""

from random import Random

import pytest
from chassis.callers import Caller, Grant, Reach
from chassis.errors import Invalid, NotFound
from chassis.explaining import Explanation, HeldRole, UserAccess, explain
from chassis.names import make_name, new_id
from chassis.testing import make_caller
from leads import lead_queries
from leads.explainers import EXPLAINERS
from leads.model import Lead
from leads.usecases.create_lead import LeadDraft, create_lead
from sqlalchemy import update

PATHS = ("r/", "r/a/", "r/a/b/", "r/c/")
CALLERS = 80
[LEADS] = [explainer for explainer in EXPLAINERS if explainer.collection == "leads"]


class Directory:
    """Tells of one user what identity would."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def access_of(self, user: str, permission: str) -> UserAccess:
        role = HeldRole("roles/1", "角色", self.caller.granted(permission))
        standing = {"active": True, "department_path": self.caller.department_path, "roles": (role,)}
        assert self.caller.user_id is not None
        return UserAccess(self.caller.user_id, **standing, partner_id=self.caller.partner_id)


def explained(session, caller: Caller, lead: str, permission: str = "lead.read") -> Explanation:
    return explain(session, LEADS, lead, caller.subject, permission, Directory(caller))


def is_found(session, lead_id) -> bool:
    try:
        lead_queries.get_lead(session, lead_id)
    except NotFound:
        return False
    return True


@pytest.fixture
def people():
    return [new_id() for _ in range(4)]


@pytest.fixture
def leads(database, people):
    """Leads of every combination of owner, department and registrant."""
    dice, made = Random(5), []
    for owner in (*people, None):
        for path in PATHS:
            with database.write(make_caller()) as session:
                lead = create_lead(session, LeadDraft({"company_name": f"公司{new_id().hex}"}, None))
            place = {"owner_id": owner, "owner_department_path": path, "registrant_id": dice.choice((*people, None))}
            with database.write(make_caller()) as session:
                session.execute(update(Lead).where(Lead.id == lead.id).values(place))
            made.append(lead.id)
    return made


def test_the_verdict_is_what_reading_the_lead_comes_to(database, people, leads):
    dice, verdicts = Random(11), set()
    for _ in range(CALLERS):
        user, partner = dice.choice(people), dice.choice((None, new_id()))
        grants = tuple(
            Grant("lead.read", reach, (dice.choice(PATHS),) if reach is Reach.CUSTOM else ())
            for reach in dice.choices(list(Reach), k=dice.randint(1, 2))
        )
        path = dice.choice(PATHS)
        caller = Caller(make_name("users", user), user, path, {"lead.read": grants}, partner_id=partner)
        with database.read(caller) as session:
            for lead in dice.sample(leads, 6):
                found = explained(session, caller, make_name("leads", lead))
                assert found.allowed is is_found(session, lead)
                verdicts.add((found.allowed, partner is not None))
    assert len(verdicts) == 4, "each verdict is met with employees and with partners"


def test_a_partner_is_told_to_reach_what_they_registered(database):
    partner = Caller("users/x", new_id(), "r/a/", {"*": (Grant("*", Reach.ALL),)}, partner_id=new_id())
    with database.write(make_caller()) as session:
        lead = create_lead(session, LeadDraft({"company_name": "华诚科技"}, None))
        lead.registrant_id = partner.user_id
    with database.read(partner) as session:
        found = explained(session, partner, lead.name)
        assert [reason.code for reason in found.reasons] == ["ROLE_REACHES_REGISTERED", "PARTNER_REACHES_OWN"]
        refused = explained(session, partner, lead.name, "lead.update")
    assert not refused.allowed
    assert refused.reasons[0].code == "EMPLOYEES_ONLY"


def test_entering_leads_concerns_no_lead(database):
    with database.read(make_caller()) as session:
        for permission in ("lead.create", "lead.register"):
            with pytest.raises(Invalid) as caught:
                explained(session, make_caller(), make_name("leads", new_id()), permission)
            assert caught.value.reason == "UNKNOWN_PERMISSION"
        with pytest.raises(NotFound):
            explained(session, make_caller(), make_name("leads", new_id()))
