"""Access is explained for every action that there is: with the records that it concerns, or without one."""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from chassis.access import known_permissions
from gateway.operations.access import EXPLAINED, asked_by
from local_suite.layout import SERVICES

ROOT = Path(__file__).parents[2]
DESCRIBED = [import_module(f"{name}.main").SERVICE for name in SERVICES]
EXPLAINERS = [(one.name, explainer) for one in DESCRIBED for explainer in one.explainers]
CONCERN_NO_RECORD = {
    "access": "whoever asks",
    "assignment_rule": "the company's rules",
    "audit": "the log",
    "automation": "the company's rules",
    "capture": "the company's sources and what came in by them",
    "client": "the company's",
    "custom_field": "the company's",
    "department": "the company's",
    "duplicate_settings": "the company's",
    "escalation": "the company's rules",
    "identity_provider": "the company's",
    "lead_absence": "people, whom the scope reaches by their department",
    "lead_capacity": "people, whom the scope reaches by their department",
    "organisation": "the company",
    "ownership": "the company's rules",
    "partner": "the company's",
    "password_rules": "the company's",
    "personal_data": "requests and holds; what is read of a record is explained by `personal_data.read`",
    "playbook": "the company's",
    "policy": "what other services read",
    "quality": "the company's",
    "rfm": "all customers at once",
    "role": "the company's",
    "tag": "the company's",
    "test_clock": "test installations only",
    "tier": "the company's; what is done with a customer is explained by `tier.lock`",
    "user": "people, whom the scope reaches by their department",
}
"""Entity of permissions → what they concern instead of a record with an owner."""
NEW = ("create", "import", "register", "configure", "export", "monitor")
"""Actions that concern no record that there is already, or all at once."""


def test_every_permission_concerns_records_or_is_known_not_to():
    told = {permission for permission in known_permissions() for _, each in EXPLAINERS if each.concerns(permission)}
    silent = {
        permission
        for permission in known_permissions().keys() - told
        if permission.split(".")[0] not in CONCERN_NO_RECORD and permission.split(".")[1] not in NEW
    }
    assert silent == set()


def test_all_that_is_explained_is_asked_for_where_it_is_known():
    assert dict(EXPLAINED) == {explainer.collection: service for service, explainer in EXPLAINERS}
    every = {permission for _, each in EXPLAINERS for permission in (*each.permissions, *each.rules, *each.unrelated)}
    assert {permission for permission in every if not permission.endswith(".*")} <= known_permissions().keys()


ASK = """query($user: ID!, $action: String!) { explainAccess(user: $user, action: $action) {
  allowed reasons { code opens message } } }"""


def test_without_a_record_every_action_is_explained_to_the_end(admin, organisation):
    me = admin.run("{ me { id } }")["me"]["id"]
    rep, _ = organisation.user(organisation.department("问"), organisation.role("SELF", *known_permissions()))
    wide = {permission for one in DESCRIBED for permission in one.wide}
    for permission in known_permissions():
        mine = admin.run(ASK, user=me, action=permission)["explainAccess"]
        assert (mine["allowed"], {each["code"] for each in mine["reasons"]}) == (True, {"ROLE_GRANTS"}), permission
        theirs = admin.run(ASK, user=rep, action=permission)["explainAccess"]
        code = "ROLE_TOO_NARROW" if permission in wide else "ROLE_GRANTS"
        [reason] = theirs["reasons"]
        assert (theirs["allowed"], reason["code"], reason["opens"]) == (
            permission not in wide,
            code,
            permission not in wide,
        )
        assert reason["message"] != code
    refused = admin.answer(ASK, user=me, action="customer.fly")["errors"][0]["extensions"]
    assert (refused["reason"], asked_by("customer.fly")) == ("UNKNOWN_PERMISSION", "identity")


MIXED = {"pool.monitor": "the flow report needs all, what a rule would take back does not"}


@pytest.mark.parametrize("service", SERVICES)
def test_what_needs_everything_is_said_where_it_is_refused(service):
    """By the source: what `require_everything` is called with, against what the service says of itself."""
    described = import_module(f"{service}.main").SERVICE
    required = {
        permission
        for path in (ROOT / "services" / service / service).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "require_everything"
        and (permission := _permission(path, node.args[0]))
    }
    assert required
    assert required - MIXED.keys() <= described.wide
    assert described.wide <= known_permissions().keys()


def _permission(path: Path, given: ast.expr) -> str:
    """The permission that an argument stands for; empty for a parameter, which callers fill in."""
    if isinstance(given, ast.Constant):
        return str(given.value)
    return _constant(path, given.id) if isinstance(given, ast.Name) else ""


@cache
def _constant(path: Path, name: str) -> str:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        assigned = node.targets if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) else ()
        if name in {target.id for target in assigned if isinstance(target, ast.Name)}:
            return str(node.value.value)
        if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
            return str(getattr(import_module(node.module), name))
    return ""
