"""What the charts render to."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local_suite.charts.layout import CHARTS, HELM, PARTS
from local_suite.charts.tools import Tools

NEWEST, OLDEST = "1.37", "1.20"
_MADE_UP = re.compile(r"(checksum/settings: ).*")


class ChartError(Exception):
    """Helm refused. The message is Helm's own."""


class StrictLoader(yaml.SafeLoader):
    """Reads YAML as Kubernetes does, and refuses a key that comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See SafeLoader. Raises ConstructorError for a key that comes twice."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} comes twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Charts:
    """The charts with what they depend on, in a folder of their own: those in the tree stay as they are."""

    tools: Tools
    folder: Path

    def helm(self, *arguments: str | Path) -> str:
        """Run Helm and return what it prints. Raises ChartError."""
        command = [self.tools.helm, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ChartError(f"{done.stdout}{done.stderr}".strip())
        return done.stdout

    def template(
        self,
        chart: str,
        *,
        values: Mapping[str, Any] | None = None,
        files: Sequence[str] = (),
        version: str = NEWEST,
        release: str = "crm",
    ) -> str:
        """What a chart renders to on a version of Kubernetes, as text. Raises ChartError."""
        arguments = [part for name in files for part in ("--values", self.folder / chart / name)]
        if values:
            given = self.folder / f"{chart}-given.yaml"
            given.write_text(yaml.safe_dump(dict(values)))
            arguments += ["--values", given]
        return self.helm(
            "template", release, self.folder / chart, "--namespace", "crm", "--kube-version", f"{version}.0", *arguments
        )

    def render(self, chart: str, **options: Any) -> list[dict[str, Any]]:
        """Like `template`, as resources."""
        return resources(self.template(chart, **options))


def resources(text: str) -> list[dict[str, Any]]:
    """The resources in a render. Raises ConstructorError for a key that comes twice."""
    return [each for each in yaml.load_all(text, StrictLoader) if each]


def build(tools: Tools, folder: Path) -> Charts:
    """Copy the charts into a folder and join each with what its lock names. Raises ChartError."""
    for source in HELM.iterdir():
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("charts"))
    charts = Charts(tools, folder)
    for chart in CHARTS:
        if (folder / chart / "Chart.lock").exists():
            charts.helm("dependency", "build", folder / chart)
    return charts


FULL: Mapping[str, Any] = {
    "image": {"registry": "registry.example.com", "tag": "1.2.3", "pullSecrets": [{"name": "registry"}]},
    "files": {"broker-ca": "broker-ca"},
    "settings": {"LOG_LEVEL": "WARNING", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
    "tls": {"enabled": True, "certManager": {"enabled": True, "issuer": {"name": "internal"}}},
    "monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "serve": {"autoscaling": {"enabled": True}, "priorityClassName": "business"},
}
"""Values that switch on what all parts have and what is off by default."""


def full(part: str) -> dict[str, Any]:
    """Values that switch on all that a part has."""
    if part == "gateway":
        ingress = {"enabled": True, "host": "crm.example.com", "className": "nginx", "tlsSecretName": "crm-tls"}
        route = {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["crm.example.com"]}
        return {**FULL, "ingress": ingress, "httpRoute": route}
    upper = part.upper()
    own: dict[str, Any] = {
        **FULL,
        "secrets": {
            f"DATABASE_URL_{upper}": {"name": f"crm-{part}", "key": "pooled-url", "mount": True},
            f"DATABASE_DIRECT_URL_{upper}": {"name": f"crm-{part}", "key": "database-url", "mount": True},
        },
        "work": {
            "replicas": 2,
            "autoscaling": {"enabled": True, "external": {"metric": "outbox_lag_seconds", "averageValue": "10"}},
        },
        "networkPolicy": {"database": {"podLabels": {"cnpg.io/cluster": part}}},
    }
    if part == "identity":
        own["monitoring"] = {**own["monitoring"], "rules": {"enabled": True}}
    else:
        own["secrets"][f"DATABASE_READ_URL_{upper}"] = {"name": f"crm-{part}", "key": "standby-url", "mount": True}
    return {**own, "objectStore": {"claim": "pictures"}} if part == "leads" else own


def golden(charts: Charts) -> dict[str, str]:
    """The renders that are committed, by file name: what a change of a template does is seen in review."""
    plain: dict[str, Any] = {"leads": {"settings": {"OBJECT_STORE": "s3://pictures"}}}
    renders = {f"{part}.yaml": charts.template(part, values=plain.get(part)) for part in PARTS}
    renders |= {f"{part}-full.yaml": charts.template(part, values=full(part)) for part in PARTS}
    renders |= {f"{part}-oldest.yaml": charts.template(part, values=full(part), version=OLDEST) for part in PARTS}
    renders["crm-dev.yaml"] = charts.template("crm", files=["values-dev.yaml"])
    return {name: _MADE_UP.sub(r"\1…", text) for name, text in renders.items()}
