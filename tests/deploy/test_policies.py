"""What holds for everything that any chart renders to."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from chassis.clients import CALL_SECONDS
from chassis.settings import Settings
from gateway.settings import GatewaySettings
from identity.clients import People
from identity.password_rules import PasswordRules
from identity.passwords import check_password
from identity.tokens import read_signing_keys
from local_suite.charts import rendering, schemas
from local_suite.charts.layout import PARTS
from local_suite.charts.rendering import Charts
from local_suite.layout import SERVICES

Resources = list[dict[str, Any]]

RENDERS = [*PARTS, *(f"{part} with everything" for part in PARTS), "crm for a trial", "dev-servers"]


@pytest.fixture(scope="module")
def rendered(charts: Charts) -> Mapping[str, Resources]:
    objects = {"settings": {"OBJECT_STORE": "s3://pictures"}}
    found = {part: charts.render(part, values=objects if part == "leads" else None) for part in PARTS}
    found |= {f"{part} with everything": charts.render(part, values=rendering.full(part)) for part in PARTS}
    found["crm for a trial"] = charts.render("crm", files=["values-dev.yaml"])
    found["dev-servers"] = charts.render("dev-servers")
    return found


@pytest.fixture(params=RENDERS)
def resources(request: pytest.FixtureRequest, rendered: Mapping[str, Resources]) -> Resources:
    return rendered[request.param]


def kind(resources: Resources, *kinds: str) -> Resources:
    return [each for each in resources if each["kind"] in kinds]


def workloads(resources: Resources) -> Resources:
    return kind(resources, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


def pods(resources: Resources) -> Iterator[tuple[str, dict, dict]]:
    """(title, labels, specification)"""
    for each in workloads(resources):
        template = each["spec"]["template"]
        yield f"{each['kind']} {each['metadata']['name']}", template["metadata"]["labels"], template["spec"]


def matches(selector: Mapping, labels: Mapping) -> bool:
    return selector["matchLabels"].items() <= labels.items()


def environment(container: Mapping) -> dict[str, dict]:
    return {each["name"]: each for each in container.get("env", [])}


def test_no_secret_is_in_a_render(resources: Resources) -> None:
    secret = {name for part in PARTS for name in schemas.secrets_of(part)}
    for title, _, pod in pods(resources):
        for name, given in environment(pod["containers"][0]).items():
            if name in secret:
                assert "valueFrom" in given or given["value"] == f"file:///etc/crm/secrets/{name}", f"{title}: {name}"
    for each in kind(resources, "ConfigMap"):
        assert not secret & each["data"].keys()
    text = yaml.safe_dump([each for each in resources if each["kind"] != "Secret"])
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@|PRIVATE KEY", text)
    assert "TEST_CLOCK" not in text


def test_only_the_trial_makes_secrets(rendered: Mapping[str, Resources]) -> None:
    assert [name for name, found in rendered.items() if kind(found, "Secret")] == ["dev-servers"]


def test_containers_have_limits_and_no_privileges(resources: Resources) -> None:
    assert workloads(resources)
    for title, _, pod in pods(resources):
        for container in pod["containers"] + pod.get("initContainers", []):
            context = container["securityContext"]
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, title
            assert container["resources"]["limits"]["memory"], title
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, title


def test_pods_have_no_rights(resources: Resources) -> None:
    for title, _, pod in pods(resources):
        context = pod["securityContext"]
        assert context["runAsNonRoot"], title
        assert context["runAsUser"] != 0, title
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, title
        assert pod["automountServiceAccountToken"] is False, title
        assert pod["enableServiceLinks"] is False, title
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}, title
        kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
        assert kinds <= {"emptyDir", "secret", "projected", "configMap", "persistentVolumeClaim"}, title
        assert "/tmp" in [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]], title
    assert all(each["automountServiceAccountToken"] is False for each in kind(resources, "ServiceAccount"))


def test_our_own_pods_run_as_the_user_of_the_image(resources: Resources) -> None:
    for title, labels, pod in pods(resources):
        if labels.get("app.kubernetes.io/part-of") == "guanxi-crm":
            assert pod["securityContext"]["runAsUser"] == 10001, title
            assert pod["containers"][0]["args"] == [labels["app.kubernetes.io/component"]], title


def test_what_stays_is_probed(resources: Resources) -> None:
    for each in kind(resources, "Deployment"):
        container = each["spec"]["template"]["spec"]["containers"][0]
        assert {"readinessProbe", "livenessProbe"} <= container.keys(), each["metadata"]["name"]
        named = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container.get(probe, {})
            port = (asked.get("httpGet") or asked.get("tcpSocket") or {}).get("port")
            assert port is None or port in named, f"{each['metadata']['name']}: {probe}"


def test_readiness_is_asked_over_grpc_unless_there_is_tls(rendered: Mapping[str, Resources]) -> None:
    for service in SERVICES:
        for name, expected in ((service, "grpc"), (f"{service} with everything", "httpGet")):
            deployment = next(
                each for each in kind(rendered[name], "Deployment") if each["metadata"]["name"] == service
            )
            assert expected in deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"], name


def test_a_network_policy_covers_every_pod(resources: Resources) -> None:
    policies = kind(resources, "NetworkPolicy")
    for title, labels, _ in pods(resources):
        covering = [each for each in policies if matches(each["spec"]["podSelector"], labels)]
        types = {type_ for each in covering for type_ in each["spec"]["policyTypes"]}
        assert types == {"Ingress", "Egress"}, title


def test_what_is_let_in_finds_a_port(resources: Resources) -> None:
    for policy in kind(resources, "NetworkPolicy"):
        covered = [pod for _, labels, pod in pods(resources) if matches(policy["spec"]["podSelector"], labels)]
        ports = {port["containerPort"] for pod in covered for port in pod["containers"][0].get("ports", [])}
        for rule in policy["spec"].get("ingress", []) if covered else []:
            assert {each["port"] for each in rule["ports"]} <= ports, policy["metadata"]["name"]


def test_only_those_who_call_are_let_in(rendered: Mapping[str, Resources]) -> None:
    """Callers and the called say the same, and it is what the code does."""
    calls = {part: set(targets_of(rendered[part])) for part in PARTS}
    assert calls == {
        "identity": set(People.OWNERS.values()),
        "customers": {"identity"},
        "leads": {"identity", "customers"},
        "gateway": set(SERVICES),
    }
    for service in SERVICES:
        policy = next(p for p in kind(rendered[service], "NetworkPolicy") if p["metadata"]["name"] == service)
        rule = next(each for each in policy["spec"]["ingress"] if each["ports"][0]["port"] == 5051)
        admitted = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule["from"]}
        assert admitted == {part for part in PARTS if service in calls[part]}


def targets_of(resources: Resources) -> Iterator[str]:
    data = next(each["data"] for each in kind(resources, "ConfigMap"))
    for name in data:
        if name.endswith("_TARGET"):
            yield name.removesuffix("_TARGET").lower()


def test_only_services_reach_a_database(rendered: Mapping[str, Resources]) -> None:
    for part in PARTS:
        policies = kind(rendered[f"{part} with everything"], "NetworkPolicy")
        of_pods = [each for each in policies if not each["metadata"]["name"].endswith("-database")]
        rules = [rule for each in of_pods for rule in each["spec"]["egress"] if has_port(rule, 5432)]
        if part == "gateway":
            assert rules == []
            continue
        mine = {"cnpg.io/cluster": part}
        assert [rule["to"] for rule in rules] == [[{"podSelector": {"matchLabels": mine}}]] * 2
        protecting = next(each for each in policies if each["metadata"]["name"] == f"{part}-database")
        assert protecting["spec"]["podSelector"]["matchLabels"] == mine
        client = protecting["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
        assert client["app.kubernetes.io/name"] == part


def has_port(rule: Mapping, port: int) -> bool:
    return any(each["port"] == port for each in rule.get("ports", []))


def test_selectors_find_pods_and_outlast_upgrades(resources: Resources) -> None:
    labels = [labels for _, labels, _ in pods(resources)]
    for each in kind(resources, "Deployment", "PodDisruptionBudget"):
        selector = each["spec"]["selector"]
        assert any(matches(selector, found) for found in labels), each["metadata"]["name"]
        assert not {"app.kubernetes.io/version", "helm.sh/chart"} & selector["matchLabels"].keys()
    for each in kind(resources, "Service"):
        found = [found for found in labels if each["spec"]["selector"].items() <= found.items()]
        assert found, each["metadata"]["name"]
    deployed = {each["metadata"]["name"] for each in kind(resources, "Deployment")}
    for each in kind(resources, "HorizontalPodAutoscaler"):
        assert each["spec"]["scaleTargetRef"]["name"] in deployed


def test_ports_say_their_protocol(resources: Resources) -> None:
    """Server-side apply of Kubernetes 1.20 refuses a Service port without one."""
    for each in kind(resources, "Service"):
        assert all(port["protocol"] == "TCP" for port in each["spec"]["ports"])
    for _, _, pod in pods(resources):
        assert all(port["protocol"] == "TCP" for port in pod["containers"][0].get("ports", []))


def test_pods_have_the_time_to_end(resources: Resources) -> None:
    for each in kind(resources, "Deployment"):
        pod = each["spec"]["template"]["spec"]
        given = environment(pod["containers"][0])
        if "STOP_SECONDS" not in given:
            continue
        settings = Settings.read({name: str(value.get("value", "")) for name, value in given.items()})
        hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {})
        waits = hook.get("sleep", {}).get("seconds", 0)
        assert settings.stop_seconds > CALL_SECONDS
        assert pod["terminationGracePeriodSeconds"] > waits + settings.drain_seconds + settings.stop_seconds


def test_upgrades_leave_nobody_without_an_answer(resources: Resources) -> None:
    for each in kind(resources, "Deployment"):
        if each["metadata"]["labels"].get("app.kubernetes.io/part-of") == "guanxi-crm":
            assert each["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
            assert ("replicas" in each["spec"]) != has_autoscaler(resources, each["metadata"]["name"])
    for each in kind(resources, "PodDisruptionBudget"):
        assert each["spec"]["maxUnavailable"] == 1


def has_autoscaler(resources: Resources, name: str) -> bool:
    return any(each["metadata"]["name"] == name for each in kind(resources, "HorizontalPodAutoscaler"))


@pytest.mark.parametrize("service", SERVICES)
def test_the_migration_comes_before_all_else_and_needs_nothing_of_it(
    rendered: Mapping[str, Resources], service: str
) -> None:
    found = rendered[f"{service} with everything"]
    (job,) = kind(found, "Job")
    notes = job["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
    # Helm uninstalls no hooks; what failed is told in its output.
    assert "hook-failed" in notes["helm.sh/hook-delete-policy"]
    assert notes["helm.sh/hook-output-log-policy"] == "hook-failed"
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "default"
    assert "envFrom" not in pod["containers"][0]
    own = {each["metadata"]["name"] for each in kind(found, "ConfigMap", "Certificate")}
    assert not own & {str(value) for volume in pod["volumes"] for value in volume.values()}
    policy = next(each for each in kind(found, "NetworkPolicy") if matches_job(each, job))
    assert int(policy["metadata"]["annotations"]["helm.sh/hook-weight"]) < int(notes["helm.sh/hook-weight"])


def matches_job(policy: Mapping, job: Mapping) -> bool:
    hook = "annotations" in policy["metadata"]
    return hook and matches(policy["spec"]["podSelector"], job["spec"]["template"]["metadata"]["labels"])


def test_processes_learn_no_more_secrets_than_they_need(rendered: Mapping[str, Resources]) -> None:
    told = {
        labels["app.kubernetes.io/component"]: environment(pod["containers"][0]).keys()
        for _, labels, pod in pods(rendered["identity"])
    }
    assert "BOOTSTRAP_ADMIN_PASSWORD" in told["migrate"]
    assert "TOKEN_SIGNING_KEY" in told["serve"]
    assert not told["serve"] & {"BOOTSTRAP_ADMIN_PASSWORD", "SERVICE_CLIENT_SECRET_LEADS", "AMQP_URL"}
    assert not told["work"] & {"BOOTSTRAP_ADMIN_PASSWORD", "TOKEN_SIGNING_KEY", "SERVICE_CLIENT_SECRET_LEADS"}
    assert "TOKEN_SIGNING_KEY" not in told["migrate"]
    ((_, _, gateway),) = pods(rendered["gateway"])
    processes_own = {"DRAIN_SECONDS", "STOP_SECONDS"}
    assert environment(gateway["containers"][0]).keys() - processes_own == {"AMQP_URL", "GATEWAY_SECRET"}


def test_processes_find_the_settings_they_need(rendered: Mapping[str, Resources]) -> None:
    """The code reads them as it does at its start, with made-up values for what is secret."""
    for part in PARTS:
        data = next(each["data"] for each in kind(rendered[part], "ConfigMap"))
        for title, labels, pod in pods(rendered[part]):
            container = pod["containers"][0]
            told = data if "envFrom" in container else {}
            told = {**told, **{name: each.get("value", "made up") for name, each in environment(container).items()}}
            settings = Settings.read(told)
            assert settings.monitor == "0.0.0.0:9090", title
            if part == "gateway":
                assert GatewaySettings.read(settings).targets.keys() == set(SERVICES)
                continue
            assert settings.database_url(part), title
            component = labels["app.kubernetes.io/component"]
            assert bool(settings.amqp_url) == (component != "serve"), title
            if component == "serve":
                assert settings.gateway_secret
                assert all(settings.target(name) for name in targets_of(rendered[part]))
                assert part == "identity" or settings.client_secret(part)


def test_changed_settings_roll_the_pods(charts: Charts) -> None:
    def stamps(values: dict) -> list[str]:
        found = kind(charts.render("customers", values=values), "Deployment")
        return [each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"] for each in found]

    before = stamps({})
    assert stamps({"settings": {"POOL_SIZE": 4}}) != before
    assert stamps({"serve": {"replicas": 5}, "labels": {"team": "sales"}}) == before


def test_values_become_what_the_code_reads(charts: Charts) -> None:
    given = {"POOL_SIZE": 1000000, "TRACE_RATIO": 0.25, "STRICT_AUDIT": True}
    given["POOL_SIZE"] = 12
    (settings,) = kind(charts.render("customers", values={"settings": {**given, "IMPORT_MAX_MIB": 2000}}), "ConfigMap")
    assert settings["data"]["POOL_SIZE"] == "12"
    assert settings["data"]["TRACE_RATIO"] == "0.25"
    assert settings["data"]["STRICT_AUDIT"] == "1"
    assert settings["data"]["IMPORT_MAX_MIB"] == "2000"
    off = charts.render("gateway", values={"settings": {"GATEWAY_INTROSPECTION": False, "GATEWAY_MAX_COST": 1000000}})
    (settings,) = kind(off, "ConfigMap")
    assert settings["data"]["GATEWAY_INTROSPECTION"] == "0"
    assert settings["data"]["GATEWAY_MAX_COST"] == "1000000"


def test_what_is_switched_off_is_neither_installed_nor_called(charts: Charts) -> None:
    found = charts.render("crm", files=["values-dev.yaml"], values={"global": {"parts": {"leads": False}}})
    parts = {each["metadata"]["labels"]["app.kubernetes.io/name"] for each in workloads(found)}
    assert parts == {"identity", "customers", "gateway"}
    assert not any("LEADS_TARGET" in each["data"] for each in kind(found, "ConfigMap"))


def test_images_are_named_once_for_all(charts: Charts) -> None:
    image = {"registry": "registry.example.com/", "tag": "2.0.0"}
    values = {"global": {"image": image}, "leads": {"image": {"tag": "2.0.1"}}}
    found = charts.render("crm", files=["values-dev.yaml"], values=values)
    names = {labels["app.kubernetes.io/name"]: pod["containers"][0]["image"] for _, labels, pod in pods(found)}
    assert names["identity"] == "registry.example.com/guanxi-crm/identity:2.0.0"
    assert names["leads"] == "registry.example.com/guanxi-crm/leads:2.0.1"
    digest = "sha256:" + "0" * 64
    pinned = charts.render("gateway", values={"image": {"name": "example.com/crm-gateway", "digest": digest}})
    ((_, _, pod),) = pods(pinned)
    assert pod["containers"][0]["image"] == f"example.com/crm-gateway@{digest}"


def mounted_secrets(pod: Mapping) -> Iterator[dict]:
    """What files are made of that are named by variables."""
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            yield source["secret"]


def secret_file(variable: Mapping) -> bool:
    return variable.get("value", "").startswith("file:///etc/crm/secrets/")


def test_files_are_where_the_variables_say(resources: Resources) -> None:
    for title, _, pod in pods(resources):
        container = pod["containers"][0]
        named = {name for name, each in environment(container).items() if secret_file(each)}
        made = {item["path"] for source in mounted_secrets(pod) for item in source["items"]}
        if named:
            assert named == made, title
            assert "/etc/crm/secrets" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_the_trial_makes_all_secrets_that_are_asked_for(rendered: Mapping[str, Resources]) -> None:
    made = {each["metadata"]["name"]: each["data"] for each in kind(rendered["dev-servers"], "Secret")}
    for title, _, pod in pods(rendered["crm for a trial"]):
        for each in environment(pod["containers"][0]).values():
            if wanted := each.get("valueFrom", {}).get("secretKeyRef"):
                assert made[wanted["name"]][wanted["key"]], title
        for wanted in mounted_secrets(pod):
            assert made[wanted["name"]][wanted["items"][0]["key"]], title
    url = base64.b64decode(made["crm-leads"]["database-url"]).decode()
    password = base64.b64decode(made["crm-leads"]["database-password"]).decode()
    assert url == f"postgresql://leads:{password}@dev-postgresql:5432/leads"
    told = {
        "DATA_KEYS": base64.b64decode(made["crm-data-keys"]["keys"]).decode(),
        "TOKEN_SIGNING_KEY": base64.b64decode(made["crm-identity"]["token-signing-key"]).decode(),
    }
    settings = Settings.read(told)
    assert settings.data_keys().current == "trial"
    assert len(read_signing_keys(settings).key_ids) == 1
    password = base64.b64decode(made["crm-identity"]["admin-password"]).decode()
    check_password(password, "admin", PasswordRules(), field="admin-password")
