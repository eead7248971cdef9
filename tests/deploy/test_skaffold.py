"""skaffold.yaml is what skaffold reads, and fits the Dockerfile and the charts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from local_suite.charts.layout import PARTS
from local_suite.charts.rendering import Charts, resources
from local_suite.layout import ROOT

SCHEMA = json.loads(Path(__file__).with_name("skaffold.schema.json").read_text())


@pytest.fixture(scope="module")
def skaffold() -> dict[str, Any]:
    (read,) = resources((ROOT / "skaffold.yaml").read_text())
    return read


@pytest.fixture(scope="module")
def releases(skaffold: dict[str, Any]) -> list[dict[str, Any]]:
    return skaffold["deploy"]["helm"]["releases"]


def test_it_is_what_skaffold_reads(skaffold: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(skaffold)] == []


def test_what_skaffold_does_not_know_is_found(skaffold: dict[str, Any]) -> None:
    misspelled = json.loads(json.dumps(skaffold))
    misspelled["deploy"]["helm"]["releases"][0]["chartpath"] = "x"
    (error,) = Draft202012Validator(SCHEMA).iter_errors(misspelled)
    assert "'chartpath' was unexpected" in error.message


def test_every_part_is_built_by_the_dockerfile(skaffold: dict[str, Any]) -> None:
    built = {each["image"]: each for each in skaffold["build"]["artifacts"]}
    assert built.keys() == {f"guanxi-crm/{part}" for part in PARTS}
    for image, artifact in built.items():
        dockerfile = ROOT / artifact["context"] / artifact["docker"]["dockerfile"]
        arguments = artifact["docker"]["buildArgs"]
        assert arguments == {"PART": image.removeprefix("guanxi-crm/")}
        assert re.search(r"^ARG PART$", dockerfile.read_text(), re.MULTILINE)


def test_every_release_has_its_chart_and_values(releases: list[dict[str, Any]]) -> None:
    assert [each["name"] for each in releases] == ["dev", *PARTS]
    assert releases[0]["wait"], "migrations need the servers"
    for each in releases:
        assert (ROOT / each["chartPath"] / "Chart.yaml").exists()
        assert all((ROOT / path).exists() for path in each.get("valuesFiles", []))


@pytest.mark.parametrize("part", PARTS)
def test_the_charts_take_the_images_that_are_built(
    charts: Charts, releases: list[dict[str, Any]], skaffold: dict[str, Any], part: str
) -> None:
    release = next(each for each in releases if each["name"] == part)
    values: dict[str, Any] = {}
    for key, template in release["setValueTemplates"].items():
        kind, name = re.fullmatch(r"\{\{\.IMAGE_(REPO|TAG)_(\w+)\}\}", template).groups()
        image = next(each["image"] for each in skaffold["build"]["artifacts"] if _variable(each["image"]) == name)
        *path, last = key.split(".")
        inner = values
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = f"localhost:5000/{image}" if kind == "REPO" else "a1b2c3"
    names = [Path(path).name for path in release["valuesFiles"]]
    deployments = [each for each in charts.render(part, files=names, values=values) if each["kind"] == "Deployment"]
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments}
    assert images == {f"localhost:5000/guanxi-crm/{part}:a1b2c3"}


def _variable(image: str) -> str:
    """How skaffold writes an image's name in the names of variables."""
    return re.sub(r"[^A-Za-z0-9]", "_", image)


def test_what_is_forwarded_is_there(charts: Charts, skaffold: dict[str, Any]) -> None:
    services = {each["metadata"]["name"]: each for each in charts.render("gateway") if each["kind"] == "Service"}
    for forwarded in skaffold["portForward"]:
        ports = services[forwarded["resourceName"]]["spec"]["ports"]
        assert forwarded["port"] in [each["port"] for each in ports]
