"""Every writing method leaves an audit entry, and so does every refusal. Methods are found by their contracts: a new
one is tested as it is.

That a write that succeeds leaves an entry is proved by every test that makes one: in tests a call fails that changes
rows without (`chassis.written`). Here each method is called by somebody who may not; and for methods that no test
should call, the search below shows that they reach the log at all.
"""

import ast
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from chassis.audit.refusals import ACTION
from local_suite.methods import Method, all_methods, call

ROOT = Path(__file__).parents[2]
PACKAGES = {
    path.name: path for path in (*(ROOT / "services").glob("*/*"), ROOT / "libs/chassis/chassis") if path.is_dir()
}
AUDITS = {
    ("chassis.audit.entries", "record"),
    ("chassis.audit.entries", "record_all"),
    ("chassis.audit.entries", "write_prepared"),
    ("chassis.audit.erasure", "erase"),
}
UNAUDITED = {
    "/crm.common.v1.TestClockService/MoveTestClock": "changes no record, and exists in test installations only",
    "/crm.common.v1.AuditService/VerifyAudit": "only reads",
    "/crm.identity.v1.OidcSignInService/BeginOidcSignIn": "concerns nobody yet; the sign-in it leads to is audited",
    "/crm.identity.v1.AccountService/RequestPasswordReset": "audited where the link is sent, if there is somebody",
    "/crm.leads.v1.CaptureService/Submit": "keeps what came as it came; what becomes of it is audited",
    "/crm.leads.v1.AutomationService/ValidateAutomationExpression": "only reads",
    "/crm.leads.v1.OfflineSyncService/ApplyOperations": "what each of them changes is audited as if it came alone",
    "/crm.identity.v1.AuthService/RefreshTokens": "goes on with a login; the reuse of a token is audited",
}
READS = (
    "Get",
    "BatchGet",
    "List",
    "Count",
    "Search",
    "Find",
    "Explain",
    "Preview",
    "Compare",
    "Check",
    "Download",
    "Watch",
)


def writes(method: Method) -> bool:
    fields = method.descriptor.input_type.fields_by_name
    return "request_id" in fields or not method.descriptor.name.startswith(READS)


METHODS = [method for method in all_methods() if writes(method) and method.path not in UNAUDITED]


PERMITTED = [method for method in all_methods() if method.access.permission]


@pytest.fixture(scope="module")
def refusals(suite, channels, keys):
    """What the audit logs tell of a caller without any permission who has tried every method: by method, with the id of
    the request."""
    now = time.time()
    stranger = f"users/{uuid4()}"
    claims = {"sub": stranger, "iat": now, "exp": now + 600, "jti": str(uuid4()), "roles": [], "pv": 1}
    token, asked = keys.sign(claims), {}
    for method in PERMITTED:
        request = method.request()
        asked[method.path] = str(uuid4()) if "request_id" in request.DESCRIPTOR.fields_by_name else ""
        if asked[method.path]:
            request.request_id = asked[method.path]
        assert call(channels[method.service], method, request, token).code == "PERMISSION_DENIED"
    told = {}
    for service in channels:
        with suite.database(service) as connection:
            query = "SELECT request_id, trace_id, after FROM audit_entry WHERE actor = %s AND action = %s"
            for request_id, trace_id, after in connection.execute(query, (stranger, ACTION)):
                told.setdefault(f"/{after['method']}", []).append((request_id, trace_id, after))
    return asked, told


@pytest.mark.parametrize("method", PERMITTED, ids=lambda method: method.path)
def test_a_refusal_for_want_of_permission_is_logged(refusals, method: Method):
    asked, told = refusals
    [(request_id, trace_id, after)] = told[method.path]
    assert request_id == ("" if method.descriptor.client_streaming else asked[method.path])
    assert (after["permission"], after["reason"]) == (method.access.permission, "PERMISSION_DENIED")
    assert trace_id


@cache
def tree(module: str) -> ast.Module | None:
    """The source of one of our modules."""
    head, *rest = module.split(".")
    if head not in PACKAGES:
        return None
    base = PACKAGES[head].joinpath(*rest)
    path = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    return ast.parse(path.read_text(encoding="utf-8")) if path else None


@cache
def names(module: str) -> dict[str, tuple[str, str]]:
    """What the names of a module stand for: (module, name in it), the name being empty for a module itself."""
    found: dict[str, tuple[str, str]] = {}
    source = tree(module)
    for node in ast.walk(source) if source else ():
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found[alias.asname or alias.name] = (inner, "") if tree(inner) else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = (alias.name, "")
    for node in source.body if source else ():
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = (module, node.name)
    return found


@cache
def definition(module: str, name: str) -> tuple[str, ast.AST] | None:
    """Where a name of a module is defined, through re-exports."""
    source = tree(module)
    for node in source.body if source else ():
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return module, node
    target = names(module).get(name)
    return definition(*target) if target and target[1] and target != (module, name) else None


def mentioned(module: str, body: ast.AST, methods: dict[str, ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """The functions that a body speaks of: by name, by module and name, of its own class, or of what that consists
    of."""
    known, parts = names(module), parts_of(methods)
    for node in ast.walk(body):
        found = None
        if isinstance(node, ast.Name) and node.id in known and known[node.id][1]:
            found = definition(*known[node.id])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("self", "cls") and node.attr in methods:
                found = module, methods[node.attr]
            elif known.get(node.value.id, ("", "x"))[1] == "":
                found = definition(known[node.value.id][0], node.attr)
        elif isinstance(node, ast.Attribute) and (kind := parts.get(ast.unparse(node.value))):
            found = method_of(definition(module, kind), node.attr)
        if found:
            yield found


def reaches_the_log(module: str, start: ast.AST, owner: ast.ClassDef) -> bool:
    pending: list[tuple[str, ast.AST, dict[str, ast.AST]]] = [(module, start, methods_of(owner))]
    seen: set[int] = set()
    while pending:
        where, body, methods = pending.pop()
        if id(body) in seen:
            continue
        seen.add(id(body))
        for target, node in mentioned(where, body, methods):
            if (target, getattr(node, "name", "")) in AUDITS:
                return True
            inner = methods_of(node) if isinstance(node, ast.ClassDef) else (methods if target == where else {})
            pending.append((target, node, inner))
    return False


def parts_of(methods: dict[str, ast.AST]) -> dict[str, str]:
    """What an object makes of other classes when it is made, and keeps: their names by how they are spoken of."""
    found = {}
    for node in ast.walk(methods.get("__init__", ast.Pass())):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            for kept, made in zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]:
                if isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
                    found[ast.unparse(kept)] = made.func.id
    return found


def method_of(owner: tuple[str, ast.AST] | None, name: str) -> tuple[str, ast.AST] | None:
    """A method of a class that was found, if it has that."""
    methods = methods_of(owner[1]) if owner and isinstance(owner[1], ast.ClassDef) else {}
    return (owner[0], methods[name]) if owner and name in methods else None


def methods_of(owner: ast.ClassDef) -> dict[str, ast.AST]:
    return {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}


@cache
def servicers() -> dict[str, list[tuple[str, ast.ClassDef]]]:
    """The classes that implement each gRPC service, by the name of their generated base."""
    found: dict[str, list[tuple[str, ast.ClassDef]]] = {}
    for head, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            if "tests" in path.parts:
                continue
            parts = [head, *path.relative_to(folder).with_suffix("").parts]
            module = ".".join(part for part in parts if part != "__init__")
            for node in getattr(tree(module), "body", ()):
                for base in node.bases if isinstance(node, ast.ClassDef) else ():
                    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                    if name.endswith("Servicer"):
                        found.setdefault(name, []).append((module, node))
    return found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
def test_a_writing_method_reaches_the_audit_log(method: Method):
    base, name = f"{method.descriptor.containing_service.name}Servicer", method.descriptor.name
    implemented = [(module, owner) for module, owner in servicers().get(base, ()) if name in methods_of(owner)]
    assert implemented, f"nobody implements {method.path}"
    for module, owner in implemented:
        assert reaches_the_log(module, methods_of(owner)[name], owner), (
            f"{module}.{owner.name}.{name} never calls audit.record: log the change, or say in UNAUDITED why not"
        )


def test_the_search_finds_what_is_not_audited():
    """A method that reads does not reach the log, so the search does not find it everywhere."""
    for service, reading, writing in (
        ("UserService", "GetUser", "CreateUser"),
        ("TransferService", "GetImportJob", "ImportCustomers"),
    ):
        assert {reading, writing} <= {method.descriptor.name for method in all_methods()}
        [(module, owner)] = servicers()[f"{service}Servicer"]
        assert not reaches_the_log(module, methods_of(owner)[reading], owner)
        assert reaches_the_log(module, methods_of(owner)[writing], owner)
