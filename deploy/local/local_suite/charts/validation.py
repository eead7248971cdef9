"""Whether resources are what a version of Kubernetes takes, by its own schemas, which allow no unknown fields."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from local_suite.charts.tools import Tools

_DEFINITIONS = "/api/_definitions.json"

FOREIGN = frozenset(
    {
        ("cert-manager.io/v1", "Certificate"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
    }
)
"""Kinds that others bring to the cluster, which Kubernetes has no schema of."""


def problems(tools: Tools, version: str, resources: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with resources; nothing if a version of Kubernetes, such as 1.33, takes them all."""
    for resource in resources:
        api, kind = resource.get("apiVersion", ""), resource.get("kind", "")
        title = f"{api} {kind} {resource.get('metadata', {}).get('name', '')}"
        if (api, kind) in FOREIGN:
            continue
        schema = tools.schemas(version) / _file(api, kind)
        if not schema.exists():
            yield f"{title}: Kubernetes {version} has no such kind"
            continue
        for error in _validator(schema).iter_errors(resource):
            yield f"{title}: {error.json_path}: {error.message[:300]}"


def _file(api: str, kind: str) -> str:
    group, _, version = api.rpartition("/")
    return "-".join(part for part in (kind.lower(), group.partition(".")[0], version) if part) + ".json"


@cache
def _validator(schema: Path) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema.read_text()), registry=_registry(schema.parent))


@cache
def _registry(folder: Path) -> Registry[Any]:
    definitions = json.loads((folder / "_definitions.json").read_text())
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource(_DEFINITIONS, DRAFT202012.create_resource(definitions))
    return filled
