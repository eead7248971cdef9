"""The charts as charts: what they render to is what Kubernetes takes, on all versions that are promised."""

import json

import pytest
import yaml
from local_suite.charts import rendering, schemas, validation
from local_suite.charts.layout import CHARTS, GOLDEN, HELM, LIBRARY, PARTS
from local_suite.charts.rendering import OLDEST, ChartError, Charts

OBJECTS = {"settings": {"OBJECT_STORE": "s3://pictures"}}


def values_of(chart: str) -> dict:
    """What a chart cannot do without."""
    return {"leads": OBJECTS, "crm": {"leads": OBJECTS}}.get(chart, {})


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_finds_nothing_wrong(charts: Charts, chart: str) -> None:
    said = charts.helm("lint", "--strict", charts.folder / chart)
    assert "0 chart(s) failed" in said


@pytest.mark.parametrize("version", ["1.25", "1.33", "1.37"])
@pytest.mark.parametrize("chart", CHARTS)
def test_kubernetes_takes_the_defaults(charts: Charts, chart: str, version: str) -> None:
    found = charts.render(chart, values=values_of(chart), version=version)
    assert list(validation.problems(charts.tools, version, found)) == []
    assert found


@pytest.mark.parametrize("version", ["1.25", "1.33", "1.37"])
@pytest.mark.parametrize("part", PARTS)
def test_kubernetes_takes_what_is_switched_on(charts: Charts, part: str, version: str) -> None:
    found = charts.render(part, values=rendering.full(part), version=version)
    assert list(validation.problems(charts.tools, version, found)) == []


def test_the_check_of_resources_finds_what_is_wrong(charts: Charts) -> None:
    deployment = next(each for each in charts.render("gateway", version="1.33") if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    pod["containers"][0]["imagePullPolice"] = "Always"
    deployment["spec"]["replicas"] = "2"
    gone = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}}
    found = "\n".join(validation.problems(charts.tools, "1.33", [deployment, gone]))
    assert "imagePullPolice" in found
    assert "$.spec.replicas" in found
    assert "Kubernetes 1.33 has no such kind" in found


def test_a_key_that_comes_twice_is_refused() -> None:
    with pytest.raises(yaml.constructor.ConstructorError, match="comes twice"):
        rendering.resources("spec:\n  replicas: 1\n  replicas: 2\n")


def test_the_oldest_kubernetes_gets_what_it_knows(charts: Charts) -> None:
    kinds, pods = {}, []
    for part in PARTS:
        for each in charts.render(part, values=rendering.full(part), version=OLDEST):
            kinds.setdefault(each["kind"], set()).add(each["apiVersion"])
            if each["kind"] in ("Deployment", "Job"):
                pods.append(each["spec"]["template"]["spec"])
            assert "ttlSecondsAfterFinished" not in each["spec"] if each["kind"] == "Job" else True
    assert kinds["PodDisruptionBudget"] == {"policy/v1beta1"}
    assert kinds["HorizontalPodAutoscaler"] == {"autoscaling/v2beta2"}
    text = yaml.safe_dump(pods)
    assert "grpc: " not in text
    assert "matchLabelKeys" not in text
    assert "sleep:" not in text
    assert "- sleep" in text


def test_kubernetes_that_is_too_old_is_refused(charts: Charts) -> None:
    with pytest.raises(ChartError, match=r"requires kubeVersion: >=1.20.0-0"):
        charts.template("identity", version="1.19")


@pytest.mark.parametrize("chart", CHARTS)
def test_the_schema_is_the_generated_one(chart: str) -> None:
    assert (HELM / chart / "values.schema.json").read_text() == schemas.schemas()[chart], "run `make charts`"


def test_the_renders_are_the_committed_ones(charts: Charts) -> None:
    renders = rendering.golden(charts)
    assert {path.name for path in GOLDEN.glob("*.yaml")} == set(renders), "run `make charts`"
    differing = [name for name, text in renders.items() if (GOLDEN / name).read_text() != text]
    assert differing == [], "look at what `make charts` changes, and commit it"


def test_one_release_brings_the_alerts_of_all(charts: Charts) -> None:
    written = yaml.safe_load((HELM / LIBRARY / "files" / "alerts.yaml").read_text())
    rules = {"monitoring": {"rules": {"enabled": True, "labels": {"release": "prometheus"}}}}
    (found,) = [each for each in charts.render("identity", values=rules) if each["kind"] == "PrometheusRule"]
    assert found["spec"] == written
    assert found["metadata"]["labels"]["release"] == "prometheus"
    together = charts.render("crm", files=["values-dev.yaml"], values={"identity": rules})
    assert [each["kind"] for each in together].count("PrometheusRule") == 1


def test_the_dashboard_is_the_written_one(charts: Charts) -> None:
    written = json.loads((HELM / "crm" / "files" / "dashboard.json").read_text())
    found = charts.render("crm", files=["values-dev.yaml"], values={"dashboard": {"enabled": True}})
    (board,) = [each for each in found if each["metadata"]["labels"].get("grafana_dashboard") == "1"]
    assert json.loads(board["data"]["guanxi-crm.json"]) == written


def test_a_lock_that_does_not_fit_fails(charts: Charts) -> None:
    """What CI relies on: the library's version cannot change without the locks."""
    library = charts.folder / LIBRARY / "Chart.yaml"
    before = library.read_text()
    try:
        library.write_text(before.replace("version: 0.1.0", "version: 0.2.0"))
        with pytest.raises(ChartError, match="valid version"):
            charts.helm("dependency", "build", charts.folder / "identity")
    finally:
        library.write_text(before)


def test_the_trial_says_for_all_parts_what_it_says_for_each() -> None:
    together = yaml.safe_load((HELM / "crm" / "values-dev.yaml").read_text())
    assert together == {part: yaml.safe_load((HELM / part / "values-dev.yaml").read_text()) for part in PARTS}
