"""Rules for fields: whose hold, what a mask shows, and that nothing gets past them in any message of the contracts."""

import pytest
from chassis.callers import Caller
from chassis.errors import Denied
from chassis.field_rules import (
    FieldEffect,
    MaskForm,
    covers,
    effect_on,
    masked,
    masked_by_look,
    may_read,
    merged,
    require_readable,
    require_writable,
)
from chassis.policy import PolicySnapshot
from crm.identity.v1 import policy_service_pb2, role_pb2
from hypothesis import given
from hypothesis import strategies as st

READ_ONLY, MASK, HIDE = FieldEffect.READ_ONLY, FieldEffect.MASK, FieldEffect.HIDE
READS = {"customer.read"}


def reader(**rules) -> Caller:
    return Caller("users/1", field_rules=rules)


# Which rules hold


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], {}),
        ([(READS, {"customer": {"phones": HIDE}})], {"customer": {"phones": HIDE}}),
        ([(READS, {"customer": {"phones": HIDE}}), (READS, {})], {}),
        ([(READS, {"customer": {"phones": HIDE}}), ({"*"}, {})], {}),
        ([(READS, {"customer": {"phones": HIDE}}), ({"user.read"}, {})], {"customer": {"phones": HIDE}}),
        (
            [(READS, {"customer": {"phones": HIDE, "remark": MASK}}), (READS, {"customer": {"phones": MASK}})],
            {"customer": {"phones": MASK}},
        ),
        (
            [({"customer.create"}, {"customer": {"phones": MASK}}), ({"user.read"}, {"customer": {"phones": HIDE}})],
            {"customer": {"phones": HIDE}},
        ),
    ],
    ids=["no roles", "one", "an open one", "an administrator", "one of others", "the weakest", "who only creates"],
)
def test_the_most_permissive_role_that_reads_decides(held, expected):
    assert merged(held) == expected


ROLES = st.lists(
    st.tuples(
        st.sets(st.sampled_from(["a.read", "b.read", "a.create", "*"])),
        st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(FieldEffect), min_size=1),
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(ROLES, ROLES)
def test_a_further_role_that_reads_never_takes_sight_away(held, more):
    """And one that does not read never gives any."""
    before, after = merged(held), merged([*held, *more])
    for entity in ("a", "b"):
        if any({f"{entity}.read", "*"} & permissions for permissions, _ in held):
            assert covers(after, before, [entity])
        if not any({f"{entity}.read", "*"} & permissions for permissions, _ in more):
            assert covers(before, after, [entity])


def test_the_policy_brings_rules_to_those_who_hold_the_roles():
    policy = policy_service_pb2.Policy(version=2)
    rule = role_pb2.FieldRule(entity="customer", field="phones", effect=role_pb2.FIELD_EFFECT_MASK)
    granted = [role_pb2.Grant(permission="customer.read", scope=role_pb2.DATA_SCOPE_ALL)]
    policy.roles.add(role="roles/1", grants=granted, field_rules=[rule])
    policy.roles.add(role="roles/2", grants=granted)
    snapshot = PolicySnapshot.of(policy)
    assert snapshot.field_rules_of(["roles/1"]) == {"customer": {"phones": MASK}}
    assert snapshot.field_rules_of(["roles/1", "roles/gone"]) == {"customer": {"phones": MASK}}
    assert snapshot.field_rules_of(["roles/1", "roles/2"]) == {}


# What a mask shows


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (MaskForm.PHONE, "+8613812341234", "138****1234"),
        (MaskForm.PHONE, "+862158034749", "021****4749"),
        (MaskForm.PHONE, "+14155552671", "+14****2671"),
        (MaskForm.PHONE, "110", "****"),
        (MaskForm.EMAIL, "ann@x.com", "a***@x.com"),
        (MaskForm.EMAIL, "nonsense", "n***"),
        (MaskForm.ID_NUMBER, "110101199003071234", "110***********1234"),
        (MaskForm.ID_NUMBER, "12345678", "********"),
        (MaskForm.TEXT, "王小明", "王***"),
        (MaskForm.TEXT, "A", "***"),
        (MaskForm.TEXT, "", ""),
        (MaskForm.NOTHING, "users/1", None),
        (MaskForm.PHONE, ["+8613812341234", "+8613912345678"], ["138****1234", "139****5678"]),
        (MaskForm.TEXT, 12.5, None),
    ],
)
def test_a_mask_shows_just_so_much(form, value, shown):
    assert masked(form, value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+8613812341234", "138****1234"),
        ("a@b.cn", "a***@b.cn"),
        ("金牌", "金***"),
        (["甲方", "乙方"], ["甲***", "乙***"]),
        (1250.5, None),
        (True, None),
        ([1, 2], None),
    ],
)
def test_the_companys_own_fields_are_masked_by_their_look(value, shown):
    assert masked_by_look(value) == shown


# Judging by path


def test_a_rule_is_found_by_each_way_to_name_its_field():
    caller = reader(customer={"address": HIDE, "custom.budget": MASK, "level": READ_ONLY})
    assert effect_on(caller, "customer", "address.city") == HIDE
    assert (
        effect_on(caller, "customer", "custom.budget") == effect_on(caller, "customer", "custom_fields.budget") == MASK
    )
    assert effect_on(caller, "customer", "custom.other") is None
    assert effect_on(caller, "contact", "address") is None
    assert may_read(caller, "customer", "level")
    require_readable(caller, "customer", "level", path="filter")
    with pytest.raises(Denied, match="address"):
        require_readable(caller, "customer", "address.city", path="filter")
    with pytest.raises(Denied, match="level") as refused:
        require_writable(caller, "customer", "level", path="level")
    assert (refused.value.reason, refused.value.field) == ("FIELD_NOT_WRITABLE", "level")


# All messages of the contracts
