"""What is said for and against an access, and that it comes to what really decides."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from chassis.callers import Grant, Reach
from chassis.errors import NotFound
from chassis.explaining import Explainer, HeldRole, Place, UserAccess, judge
from chassis.names import new_id
from chassis.sharing import ANY_LEVEL, COLLABORATION, Reachable, RecordShare
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, Uuid, column

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ROOT, EAST, WEST, TEAM = (UUID(int=n) for n in range(1, 5))
PATHS = [f"{ROOT}/", f"{ROOT}/{EAST}/", f"{ROOT}/{WEST}/", f"{ROOT}/{EAST}/{TEAM}/"]
ME, OTHER = UUID(int=101), UUID(int=102)
RECORD = UUID(int=1000)

EXPLAINER = Explainer(
    collection="things",
    reachable=Reachable(
        entity="thing",
        id=column("id", Uuid),
        owner=column("owner", Uuid),
        department_path=column("path", Text),
        opened={"thing.read": ANY_LEVEL, "thing.update": COLLABORATION},
    ),
    permissions=("thing.*", "part.read"),
    unrelated=("thing.create",),
    find=lambda session, key: None,
    missing=lambda: NotFound("THING_NOT_FOUND", "there is no such thing"),
    opened_to_author=("thing.read",),
    opened_to_partners=("thing.read",),
)


def role(reach, *paths, permission="thing.read"):
    return HeldRole("roles/1", "销售", (Grant(permission, reach, paths),))


def access(*roles, path=PATHS[1], **standing):
    return UserAccess(ME, department_path=path, roles=roles, **({"active": True} | standing))


def share(grantee=f"users/{ME}", level="READ_ONLY", **values):
    times = {"create_time": NOW, "update_time": NOW, "revoke_time": None, "expire_time": None} | values
    return RecordShare(
        id=new_id(),
        entity="thing",
        record_id=RECORD,
        grantee=grantee,
        level=level,
        creator="users/x",
        version=1,
        **times,
    )


def codes(held, place, *shares, permission="thing.read"):
    found = judge(held, EXPLAINER, permission, place, shares, NOW)
    return found.allowed, [reason.code for reason in found.reasons]


THEIRS = Place(RECORD, OTHER, PATHS[3])


@pytest.mark.parametrize(
    ("held", "place", "expected"),
    [
        (role(Reach.SELF), Place(RECORD, ME, PATHS[1]), (True, ["ROLE_REACHES_OWN"])),
        (role(Reach.SELF), THEIRS, (False, ["ROLE_DOES_NOT_REACH"])),
        (role(Reach.ALL), THEIRS, (True, ["ROLE_REACHES_ALL"])),
        (role(Reach.DEPARTMENT), THEIRS, (False, ["ROLE_DOES_NOT_REACH"])),
        (role(Reach.DEPARTMENT), Place(RECORD, OTHER, PATHS[1]), (True, ["ROLE_REACHES_DEPARTMENT"])),
        (role(Reach.DEPARTMENT_TREE), THEIRS, (True, ["ROLE_REACHES_TREE"])),
        (role(Reach.CUSTOM, PATHS[2], PATHS[1]), THEIRS, (True, ["ROLE_REACHES_NAMED"])),
        (role(Reach.CUSTOM, PATHS[2]), THEIRS, (False, ["ROLE_DOES_NOT_REACH"])),
        (role(Reach.SELF), Place(RECORD, None, None), (False, ["ROLE_DOES_NOT_REACH"])),
        (role(Reach.SELF), Place(RECORD, OTHER, PATHS[2], f"users/{ME}"), (True, ["ROLE_DOES_NOT_REACH", "AUTHOR"])),
    ],
)
def test_each_grant_says_how_it_reaches(held, place, expected):
    assert codes(access(held), place) == expected


def test_the_department_that_covers_is_named():
    [reason] = judge(access(role(Reach.CUSTOM, PATHS[2], PATHS[1])), EXPLAINER, "thing.read", THEIRS, [], NOW).reasons
    assert reason.params["department"] == f"departments/{EAST}"
    [reason] = judge(access(role(Reach.SELF)), EXPLAINER, "thing.read", THEIRS, [], NOW).reasons
    assert reason.params == {
        "role": "roles/1",
        "role_name": "销售",
        "scope": "SELF",
        "owner": f"users/{OTHER}",
        "department": f"departments/{TEAM}",
    }


def test_shares_are_told_of_whether_they_open_or_not():
    held = access(role(Reach.SELF))
    own = ["ROLE_DOES_NOT_REACH"]
    assert codes(held, THEIRS, share()) == (True, [*own, "SHARED_WITH_USER"])
    assert codes(held, THEIRS, share(f"departments/{EAST}")) == (True, [*own, "SHARED_WITH_DEPARTMENT"])
    assert codes(held, THEIRS, share(expire_time=NOW)) == (False, [*own, "SHARE_EXPIRED"])
    assert codes(held, THEIRS, share(expire_time=NOW + timedelta(seconds=1)))[0] is True
    assert codes(held, THEIRS, share(revoke_time=NOW)) == (False, [*own, "SHARE_TAKEN_BACK"])
    updating = access(role(Reach.SELF, permission="thing.update"))
    assert codes(updating, THEIRS, share(), permission="thing.update") == (False, [*own, "SHARE_OPENS_LESS"])
    assert codes(updating, THEIRS, share(level="COLLABORATE"), permission="thing.update")[0] is True
    deleting = access(role(Reach.SELF, permission="thing.delete"))
    assert codes(deleting, THEIRS, share(), permission="thing.delete") == (False, [*own, "SHARE_NEVER_OPENS"])


def test_a_share_does_not_stand_in_for_a_permission():
    nothing = HeldRole("roles/2", "空", ())
    assert codes(access(nothing), THEIRS, share()) == (False, ["NO_ROLE_GRANTS", "SHARED_WITH_USER"])


def test_what_bars_a_user_from_everything_is_told_first():
    for standing, code in (
        ({"active": False}, "USER_DEACTIVATED"),
        ({"second_factor_missing": True}, "SECOND_FACTOR_MISSING"),
    ):
        assert codes(access(role(Reach.ALL), **standing), THEIRS) == (False, [code, "ROLE_REACHES_ALL"])
    partner = access(role(Reach.ALL), partner_id=UUID(int=7))
    assert codes(partner, THEIRS) == (False, ["ROLE_DOES_NOT_REACH", "PARTNER_REACHES_OWN"])


def test_only_permissions_that_concern_a_record_are_explained():
    asked = ("thing.read", "thing.fly", "thing.create", "part.read", "part.update")
    assert [EXPLAINER.concerns(permission) for permission in asked] == [True, True, False, True, False]


@given(
    roles=st.lists(st.builds(role, st.sampled_from(list(Reach)), st.sampled_from(PATHS)), max_size=3),
    owner=st.sampled_from([None, ME, OTHER]),
    place=st.sampled_from([None, *PATHS]),
    path=st.sampled_from(PATHS),
    partner=st.sampled_from([None, UUID(int=7)]),
)
def test_the_answer_is_what_the_union_of_the_roles_decides(roles, owner, place, path, partner):
    held = access(*roles, path=path, partner_id=partner)
    found = judge(held, EXPLAINER, "thing.read", Place(RECORD, owner, place), [], NOW)
    grants = [grant for each in roles for grant in each.grants]
    reaches = bool(grants) and held.caller(*grants).scope("thing.read").reaches(owner, place)
    assert found.allowed == reaches


def test_followers_are_reached_as_owners_are_by_what_collaboration_opens():
    follower = Place(RECORD, ME, PATHS[1])
    held = access(role(Reach.SELF))
    found = judge(held, EXPLAINER, "thing.read", THEIRS, [], NOW, [follower])
    assert found.allowed
    assert [reason.code for reason in found.reasons] == ["ROLE_DOES_NOT_REACH", "ROLE_REACHES_FOLLOWER"]
    assert found.reasons[1].params["owner"] == f"users/{ME}"
    assert found.reasons[1].params["department"] == f"departments/{EAST}"
    other = judge(held, EXPLAINER, "thing.read", THEIRS, [], NOW, [Place(RECORD, OTHER, PATHS[1])])
    assert not other.allowed
    deleting = access(role(Reach.SELF, permission="thing.delete"))
    assert not judge(deleting, EXPLAINER, "thing.delete", THEIRS, [], NOW, [follower]).allowed
