"""Rules for fields in roles: which make sense, who may set them, and that services hear of them."""

import pytest
from chassis.testing import eventually
from crm.identity.v1 import role_pb2, role_service_pb2, user_pb2, user_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from identity.field_rules import protectable_fields
from identity.testing import grant, outcome, refused

from .test_policy import fetch

MASK, HIDE, READ_ONLY = (
    role_pb2.FIELD_EFFECT_MASK,
    role_pb2.FIELD_EFFECT_HIDE,
    role_pb2.FIELD_EFFECT_READ_ONLY,
)


def rule(field, effect=HIDE, entity="customer"):
    return role_pb2.FieldRule(entity=entity, field=field, effect=effect)


def create(suite, *rules, grants=(), as_caller=None):
    draft = role_pb2.Role(display_name=suite.unique("角色"), grants=grants, field_rules=rules)
    return suite.roles.CreateRole(
        role_service_pb2.CreateRoleRequest(role=draft), metadata=as_caller or suite.admin, timeout=30
    )


def update(suite, role, *paths, as_caller=None):
    request = role_service_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=paths))
    return suite.roles.UpdateRole(request, metadata=as_caller or suite.admin)


def test_rules_are_kept_sent_with_the_policy_and_audited(suite):
    role = create(suite, rule("phones", MASK), rule("custom.amount"), rule("email", READ_ONLY, "user"))
    assert [item.field for item in role.field_rules] == ["phones", "custom.amount", "email"]
    in_policy = {item.role: item for item in fetch(suite).roles}
    assert list(in_policy[role.name].field_rules) == list(role.field_rules)
    changed = update(suite, role_pb2.Role(name=role.name, field_rules=[rule("phones", HIDE)]))
    assert list(changed.field_rules) == [rule("phones", HIDE)]
    assert list(update(suite, role_pb2.Role(name=role.name), "field_rules").field_rules) == []
    assert suite.audited(role.name) == ["role.create", "role.update", "role.update"]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([rule("nickname")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("phones", entity="order_of_merit")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("name")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("custom_fields")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("custom.*")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("custom.Not a key")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("custom.x", entity="user")], "UNKNOWN_PROTECTABLE_FIELD"),
        ([rule("phones"), rule("phones", MASK)], "DUPLICATE_FIELD_RULE"),
        ([rule("phones", role_pb2.FIELD_EFFECT_UNSPECIFIED)], "INVALID_FIELD_EFFECT"),
        ([rule("phones", 9)], "INVALID_FIELD_EFFECT"),
        ([rule(f"custom.k{number}") for number in range(501)], "TOO_MANY_FIELD_RULES"),
    ],
)
def test_rules_that_make_no_sense_are_refused(suite, rules, reason):
    assert outcome(lambda: create(suite, *rules)) == reason


def test_fields_that_can_be_restricted_are_listed_in_pages(suite):
    listed, token = [], ""
    while True:
        request = role_service_pb2.ListProtectableFieldsRequest(page_size=7, page_token=token)
        page = suite.roles.ListProtectableFields(request, metadata=suite.admin)
        listed += [(item.entity, item.field) for item in page.fields]
        token = page.next_page_token
        if not token:
            break
    assert listed == sorted(protectable_fields()) == sorted(set(listed))
    assert {("customer", "phones"), ("customer", "custom.*"), ("user", "email")} <= set(listed)
    assert not {("customer", "custom_fields"), ("customer", "name"), ("user", "username")} & set(listed)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        request = role_service_pb2.ListProtectableFieldsRequest(page_token="nonsense")
        suite.roles.ListProtectableFields(request, metadata=suite.admin)


def test_nobody_gives_away_a_field_that_is_kept_from_them(suite):
    """Neither by a role of their own making, nor by giving somebody another's."""
    held = [grant(f"{thing}.{act}") for thing in ("role", "user") for act in ("create", "read", "update")]
    held += [grant("customer.read"), grant("client.create")]
    kept = create(suite, rule("phones", MASK), grants=held)
    keeper = suite.sign_in(suite.user(roles=[kept]).username)
    reads = [grant("customer.read")]
    for rules in ([], [rule("remark")], [rule("phones", READ_ONLY)]):
        assert (
            outcome(lambda rules=rules: create(suite, *rules, grants=reads, as_caller=keeper)) == "PRIVILEGE_ESCALATION"
        )
    same = create(suite, rule("phones", HIDE), grants=reads, as_caller=keeper)
    assert create(suite, grants=[grant("user.read")], as_caller=keeper)
    freed = role_pb2.Role(name=same.name)
    assert outcome(lambda: update(suite, freed, "field_rules", as_caller=keeper)) == "PRIVILEGE_ESCALATION"
    open_role = suite.role(grant("customer.read"))
    assert outcome(lambda: suite.user(roles=[open_role], as_caller=keeper)) == "PRIVILEGE_ESCALATION"
    assert suite.user(roles=[same], as_caller=keeper)


def test_rules_hold_in_identity_itself_and_within_a_second(suite):
    colleague = suite.user(email=f"{suite.unique('mail')}@x.com", phone="+8613812341234")
    role = suite.role(grant("user.read"), grant("user.update"))
    reader = suite.sign_in(suite.user(roles=[role]).username)

    def seen():
        return suite.users.GetUser(user_service_pb2.GetUserRequest(name=colleague.name), metadata=reader)

    assert seen().phone == "+8613812341234"
    rules = [rule("phone", MASK, "user"), rule("email", HIDE, "user")]
    update(suite, role_pb2.Role(name=role.name, field_rules=rules))
    changed = _soon(seen, lambda user: user.phone == "138****1234")
    assert (changed.email, list(changed.hidden_fields)) == ("", ["email"])
    by_mail = user_service_pb2.ListUsersRequest()
    by_mail.order_by.add(field="email")
    assert outcome(lambda: suite.users.ListUsers(by_mail, metadata=reader)) == "FIELD_NOT_READABLE"
    changed.display_name = "改名"
    assert outcome(lambda: suite.update(changed, as_caller=reader)) == "FIELD_NOT_WRITABLE"
    assert (
        suite.update(user_pb2.User(name=colleague.name, display_name="改名"), as_caller=reader).phone == "138****1234"
    )


def _soon(read, holds):
    return eventually(lambda: holds(found := read()) and found)
