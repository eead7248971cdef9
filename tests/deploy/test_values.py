"""Wrong values are refused with words that help, and what the code reads can be set."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_suite.charts import schemas
from local_suite.charts.layout import PARTS
from local_suite.charts.rendering import ChartError, Charts
from local_suite.layout import ROOT

ELSEWHERE = {
    "GRPC_LISTEN": "the chart sets it",
    "MONITOR_LISTEN": "the chart sets it",
    "GATEWAY_LISTEN": "the chart sets it",
    "TLS_CERTIFICATE_FILE": "the chart sets it, by tls",
    "TLS_KEY_FILE": "the chart sets it, by tls",
    "TLS_CA_FILE": "the chart sets it, by tls",
    "DRAIN_SECONDS": "the chart sets it, by serve.drainSeconds",
    "STOP_SECONDS": "the chart sets it, by serve.stopSeconds",
    "IDENTITY_TARGET": "the chart sets it, by targets",
    "WORKERS": "a pod is one process: there are replicas",
    "TEST_CLOCK": "for tests alone: clients may move the time",
    "TRACE_FOLDER": "for development: a pod writes no files that anybody reads",
    "MAIL_FOLDER": "for development, likewise",
    "OIDC_ALLOW_LOCAL_HTTP": "for development",
    "CRM_DATA": "for evaluations, on the machines of developers",
    "PSYCOPG_WAIT_FUNC": "the work process sets it for its driver",
}

REFUSED = [
    ("identity", {"serve": {"replicas": "two"}}, "at '/serve/replicas': got string, want integer"),
    ("identity", {"serve": {"replica": 2}}, "at '/serve': additional properties 'replica' not allowed"),
    ("customers", {"serve": {"replicas": 0}}, "at '/serve/replicas': minimum: got 0, want 1"),
    ("customers", {"serve": {"resources": {"limits": {"memory": "lots"}}}}, "at '/serve/resources/limits/memory'"),
    ("customers", {"settings": {"TEST_CLOCK": "1"}}, "at '/settings': additional properties 'TEST_CLOCK' not allowed"),
    ("leads", {"settings": {"LEAD_PROTECTION_DAYS": 9999}}, "at '/settings/LEAD_PROTECTION_DAYS': maximum"),
    ("leads", {"settings": {"LOG_LEVEL": "LOUD"}}, "value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ("leads", {"settings": {"DIALLER_URL": "http://pbx"}}, "at '/settings/DIALLER_URL': 'http://pbx' does not match"),
    ("identity", {"settings": {"ORGANISATION_ZONE": "no zone"}}, "at '/settings/ORGANISATION_ZONE'"),
    ("identity", {"secrets": {"DATA_KEYS": "k1:AAAA"}}, "at '/secrets/DATA_KEYS': got string, want object"),
    ("identity", {"secrets": {"DATA_KEYS": None}}, "at '/secrets': missing property 'DATA_KEYS'"),
    ("identity", {"secrets": {"SMTP_URL": {"name": "mail"}}}, "at '/secrets/SMTP_URL': missing property 'key'"),
    ("identity", {"secrets": {"DATA_KEYS": {"mount": True}}}, "additional properties 'mount' not allowed"),
    ("identity", {"image": {"tag": "a b"}}, "at '/image/tag'"),
    ("gateway", {"service": {"port": 99999}}, "at '/service/port': maximum: got 99,999, want 65,535"),
    ("gateway", {"service": {"type": "ClusterIPP"}}, "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
    ("gateway", {"settings": {"DATA_KEYS": "k:v"}}, "additional properties 'DATA_KEYS' not allowed"),
    ("gateway", {"ingress": {"enabled": True}}, "gateway: name ingress.host"),
    ("gateway", {"httpRoute": {"enabled": True}}, "gateway: httpRoute needs parentRefs and hostnames"),
    ("gateway", {"tls": {"enabled": True}}, "gateway: tls.enabled needs tls.secretName"),
    ("identity", {"tls": {"enabled": True, "certManager": {"enabled": True}}}, "name tls.certManager.issuer.name"),
    ("leads", {}, "leads: say where files are kept: settings.OBJECT_STORE=s3://bucket/prefix, objectStore.claim"),
    ("leads", {"objectStore": {"claim": "a", "ephemeral": True}}, "exclude each other"),
    (
        "customers",
        {"work": {"autoscaling": {"enabled": True, "minReplicas": 5}}},
        "customers: work.autoscaling.minReplicas is above maxReplicas",
    ),
    ("crm", {"gateway": {"serve": {"replicas": 0}}}, "gateway:\n- at '/serve/replicas'"),
    ("crm", {"global": {"parts": {"opportunities": True}}}, "additional properties 'opportunities' not allowed"),
    ("crm", {"identiti": {}}, "additional properties 'identiti' not allowed"),
    ("dev-servers", {"postgresql": {"uid": 0}}, "at '/postgresql/uid': minimum"),
]


@pytest.mark.parametrize(("chart", "values", "message"), REFUSED)
def test_wrong_values_are_refused_readably(charts: Charts, chart: str, values: dict, message: str) -> None:
    with pytest.raises(ChartError) as refused:
        charts.template(chart, values=values)
    assert message in str(refused.value)


def test_no_value_can_hold_a_secret() -> None:
    for part in PARTS:
        settings = schemas.settings_of(part)
        secret = [name for name in settings if re.search(r"SECRET|PASSWORD|_KEYS?$|_KEY_ID$|^SMTP_URL|DATABASE", name)]
        assert secret == []
        assert not settings.keys() & set(schemas.secrets_of(part))


def test_all_that_the_code_reads_can_be_set() -> None:
    read = {name for folder in sources() for name in variables_in(folder)}
    assert {"AMQP_URL", "LOG_LEVEL", "TRUSTED_PROXIES", "DIALLER_SECRET", "OBJECT_STORE", "POOL_SIZE"} <= read
    known = {name for part in PARTS for name in (*schemas.settings_of(part), *schemas.secrets_of(part))}
    unknown = {name for name in read - known - ELSEWHERE.keys() if not name.startswith("OTEL_")}
    assert unknown == set(), "add them to local_suite.charts.schemas, or here with the reason"


def test_all_that_can_be_set_is_read() -> None:
    text = "\n".join(path.read_text() for folder in sources() for path in folder.rglob("*.py"))
    by_libraries = ("OTEL_", "MALLOC_ARENA_MAX")
    families = ("DATABASE_URL_", "DATABASE_DIRECT_URL_", "DATABASE_READ_URL_", "SERVICE_CLIENT_SECRET_")
    for part in PARTS:
        for name in (*schemas.settings_of(part), *schemas.secrets_of(part)):
            family = next((each for each in families if name.startswith(each)), name)
            family = "_TLS_NAME" if name.endswith("_TLS_NAME") else family
            assert name.startswith(by_libraries) or family in text, name


def sources() -> Iterator[Path]:
    """The folders of what runs in production."""
    yield ROOT / "libs" / "chassis" / "chassis"
    yield ROOT / "gateway" / "gateway"
    yield from (path / path.name for path in (ROOT / "services").iterdir() if (path / path.name).is_dir())


def variables_in(folder: Path) -> Iterator[str]:
    """The environment variables that code asks for by name: texts beside `env` or `environment`, or constants there."""
    for path in folder.rglob("*.py"):
        if "testing" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        constants = dict(_constants(tree))
        for node in ast.walk(tree):
            for part in _beside_environment(node):
                name = part.value if isinstance(part, ast.Constant) else constants.get(getattr(part, "id", ""))
                if isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", name):
                    yield name


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                        yield name.id, value.value


def _beside_environment(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Subscript) and _is_environment(node.value):
        return [node.slice]
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and _is_environment(node.func.value):
            return node.args[:1]
        if any(map(_is_environment, node.args)):
            return node.args
    return []


def _is_environment(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("env", "environment", "environ")


def test_all_values_are_documented() -> None:
    text = re.sub(r"```.*?```", "", (ROOT / "deploy" / "helm" / "README.md").read_text(), flags=re.DOTALL)
    words = set(re.findall(r"[A-Za-z-]+", " ".join(re.findall(r"`([^`]+)`", text))))
    for part in PARTS:
        missing = {name for name in keys_in(json.loads(schemas.schemas()[part])) if name not in words}
        assert missing == set(), part


def keys_in(schema: dict) -> Iterator[str]:
    """The names of all values but of settings, which the services' READMEs tell of, and of secrets."""
    for name, inner in schema.get("properties", {}).items():
        if name == "crm-service":
            continue
        yield name
        if name not in ("settings", "secrets", "targets", "parts"):
            yield from keys_in(inner)
