"""The schemas of the charts' values, `values.schema.json`: said once here, since a chart cannot refer to another's.

What a schema does not know it refuses, so that a misspelled value is an error and not a default.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from local_suite.charts.layout import CHARTS, PARTS

Schema: TypeAlias = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
TEXT: Schema = {"type": "string"}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
QUANTITY: Schema = {"type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
NAME: Schema = {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"}
OPTIONAL_NAME: Schema = {"type": "string", "maxLength": 253, "pattern": r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h))+$"}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
"""Lists of what the cluster itself checks, such as tolerations."""
HTTP_URL: Schema = {"type": "string", "pattern": r"^(https?://[^ ]+)?$"}
HTTPS_URL: Schema = {"type": "string", "pattern": r"^(https://[^ ]+)?$"}
TARGET: Schema = {
    "type": ["string", "null"],
    "description": "host:port, or what else gRPC resolves; empty for the default",
}

COMMON_SETTINGS: Schema = {
    "LOG_FORMAT": {"enum": ["json", "text"]},
    "LOG_LEVEL": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
    "TRACE_RATIO": {"type": "number", "minimum": 0, "maximum": 1},
    "ORGANISATION_ZONE": {"type": "string", "pattern": r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$"},
    "MALLOC_ARENA_MAX": {"type": "integer", "minimum": 1},
    "OTEL_EXPORTER_OTLP_ENDPOINT": HTTP_URL,
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": HTTP_URL,
    "OTEL_EXPORTER_OTLP_CERTIFICATE": {"type": "string", "pattern": r"^(/.+)?$"},
    "OTEL_EXPORTER_OTLP_TIMEOUT": {"type": "number", "minimum": 0},
    "OTEL_RESOURCE_ATTRIBUTES": TEXT,
    "IDENTITY_TLS_NAME": TEXT,
    "CUSTOMERS_TLS_NAME": TEXT,
    "LEADS_TLS_NAME": TEXT,
}
SERVICE_SETTINGS: Schema = {
    "SERVER_THREADS": {"type": "integer", "minimum": 1, "maximum": 64},
    "POOL_SIZE": {"type": "integer", "minimum": 1, "maximum": 100},
    "MAX_CONNECTION_AGE_SECONDS": {"type": "number", "minimum": 1},
    "HANG_SECONDS": {"type": "number", "minimum": 0},
    "STRICT_AUDIT": BOOLEAN,
}
MAIL_SETTINGS: Schema = {"PUBLIC_URL": HTTP_URL, "MAIL_FROM": TEXT, "MAIL_FROM_NAME": TEXT}
OWN_SETTINGS: Mapping[str, Schema] = {
    "identity": {
        **MAIL_SETTINGS,
        "ACCESS_TOKEN_SECONDS": {"type": "integer", "minimum": 1, "maximum": 3600},
        "TOTP_ISSUER": TEXT,
        "ORGANISATION_NAME": TEXT,
    },
    "customers": {"IMPORT_MAX_MIB": {"type": "integer", "minimum": 1, "maximum": 2000}},
    "leads": {
        **MAIL_SETTINGS,
        "IMPORT_MAX_MIB": {"type": "integer", "minimum": 1, "maximum": 2000},
        "LEAD_PROTECTION_DAYS": {"type": "integer", "minimum": 1, "maximum": 3650},
        "AUTOMATION_WEBHOOK_HOSTS": {"type": "string", "pattern": r"^[A-Za-z0-9.*, -]*$"},
        "AUTOMATION_WEBHOOK_PRIVATE": BOOLEAN,
        "AUTOMATION_RUN_DAYS": {"type": "integer", "minimum": 31, "maximum": 3650},
        "DIALLER_URL": HTTPS_URL,
        "OBJECT_STORE": {"type": "string", "pattern": r"^(s3://[^/]+(/.*)?)?$"},
        "AWS_ENDPOINT_URL": HTTP_URL,
        "AWS_REGION": TEXT,
    },
    "gateway": {
        "GATEWAY_INTROSPECTION": BOOLEAN,
        "GATEWAY_MAX_COST": {"type": "integer", "minimum": 1},
        "TRUSTED_PROXIES": {"type": "string", "pattern": r"^[0-9A-Fa-f.:/, ]*$"},
    },
}
OWN_SECRETS: Mapping[str, tuple[str, ...]] = {
    "identity": (
        "TOKEN_SIGNING_KEY",
        "BOOTSTRAP_ADMIN_PASSWORD",
        "SERVICE_CLIENT_SECRET_CUSTOMERS",
        "SERVICE_CLIENT_SECRET_LEADS",
        "SMTP_URL",
    ),
    "customers": ("DATABASE_READ_URL_CUSTOMERS", "SERVICE_CLIENT_SECRET_CUSTOMERS"),
    "leads": (
        "DATABASE_READ_URL_LEADS",
        "SERVICE_CLIENT_SECRET_LEADS",
        "SMTP_URL",
        "DIALLER_SECRET",
        "AUTOMATION_WEBHOOK_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ),
    "gateway": (),
}
DATABASE_URLS = ("DATABASE_URL_", "DATABASE_DIRECT_URL_", "DATABASE_READ_URL_")
REQUIRED_SECRETS: Mapping[str, tuple[str, ...]] = {
    "identity": ("DATABASE_URL_IDENTITY", "AMQP_URL", "DATA_KEYS", "GATEWAY_SECRET", "TOKEN_SIGNING_KEY"),
    "customers": (
        "DATABASE_URL_CUSTOMERS",
        "AMQP_URL",
        "DATA_KEYS",
        "GATEWAY_SECRET",
        "SERVICE_CLIENT_SECRET_CUSTOMERS",
    ),
    "leads": ("DATABASE_URL_LEADS", "AMQP_URL", "DATA_KEYS", "GATEWAY_SECRET", "SERVICE_CLIENT_SECRET_LEADS"),
    "gateway": ("AMQP_URL", "GATEWAY_SECRET"),
}


def closed(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    """An object that has no other properties."""
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema


def settings_of(part: str) -> Schema:
    """The settings of a part."""
    shared = COMMON_SETTINGS if part == "gateway" else {**COMMON_SETTINGS, **SERVICE_SETTINGS}
    return {**shared, **OWN_SETTINGS[part]}


def secrets_of(part: str) -> tuple[str, ...]:
    """The variables of a part that are secret."""
    shared = ["AMQP_URL", "GATEWAY_SECRET", "OTEL_EXPORTER_OTLP_HEADERS"]
    if part != "gateway":
        shared += ["DATA_KEYS", f"DATABASE_URL_{part.upper()}", f"DATABASE_DIRECT_URL_{part.upper()}"]
    return (*shared, *OWN_SECRETS[part])


def can_be_mounted(variable: str) -> bool:
    """Whether a process reads a variable again and again from a file, if it names one."""
    return variable.startswith(DATABASE_URLS) or variable == "AMQP_URL"


def _secret(variable: str) -> Schema:
    key = {"type": "string", "pattern": r"^[-._a-zA-Z0-9]+$"}
    fields: Schema = {"name": NAME, "key": key, "optional": BOOLEAN}
    if can_be_mounted(variable):
        fields["mount"] = BOOLEAN
    return closed(fields, required=("name", "key"))


def _secrets(part: str) -> Schema:
    return closed({variable: _secret(variable) for variable in secrets_of(part)}, required=REQUIRED_SECRETS[part])


def _resources() -> Schema:
    quantities = {"cpu": QUANTITY, "memory": QUANTITY, "ephemeral-storage": QUANTITY}
    return closed(
        {
            "requests": closed(quantities, required=("cpu", "memory")),
            "limits": closed(quantities, required=("memory",)),
        },
        required=("requests", "limits"),
    )


def _process(*, external: bool) -> Schema:
    seconds = {"type": "integer", "minimum": 0, "maximum": 600}
    scaling: Schema = {
        "enabled": BOOLEAN,
        "minReplicas": {"type": "integer", "minimum": 1},
        "maxReplicas": {"type": "integer", "minimum": 1},
        "cpuPercent": {"type": "integer", "minimum": 1, "maximum": 1000},
    }
    if external:
        metric = closed({"metric": TEXT, "averageValue": QUANTITY, "labels": LABELS})
        scaling["external"] = {**metric, "dependentRequired": {"metric": ["averageValue"]}}
    return closed(
        {
            "replicas": {"type": "integer", "minimum": 1},
            "resources": _resources(),
            "autoscaling": closed(scaling),
            "disruption": closed({"enabled": BOOLEAN, "maxUnavailable": {"type": ["integer", "string"]}}),
            "preStopSeconds": seconds,
            "drainSeconds": {**seconds, "type": "number"},
            "stopSeconds": {**seconds, "minimum": 1},
            "startupSeconds": {**seconds, "minimum": 5},
            "podAnnotations": LABELS,
            "nodeSelector": LABELS,
            "tolerations": OBJECTS,
            "affinity": {"type": "object"},
            "priorityClassName": OPTIONAL_NAME,
        }
    )


def _tls() -> Schema:
    issuer = closed({"kind": {"enum": ["Issuer", "ClusterIssuer"]}, "name": OPTIONAL_NAME, "group": TEXT})
    manager = closed({"enabled": BOOLEAN, "issuer": issuer, "duration": DURATION, "renewBefore": DURATION})
    return closed({"enabled": BOOLEAN, "secretName": OPTIONAL_NAME, "certManager": manager})


def _network(part: str) -> Schema:
    policy: Schema = {
        "enabled": BOOLEAN,
        "monitoring": OBJECTS,
        "dns": OBJECTS,
        "broker": closed({"to": OBJECTS, "port": PORT}),
        "publicPorts": {"type": "array", "items": PORT},
        "extraIngress": OBJECTS,
        "extraEgress": OBJECTS,
    }
    if part == "gateway":
        policy["clients"] = OBJECTS
    else:
        policy["database"] = closed({"to": OBJECTS, "port": PORT, "podLabels": LABELS, "admitted": OBJECTS})
    return closed(policy)


def _image(*, own: bool) -> Schema:
    fields: Schema = {
        "registry": {"type": "string", "pattern": r"^[a-z0-9.:/_-]*$"},
        "repository": {"type": "string", "pattern": r"^[a-z0-9/._-]*$"},
        "tag": {"type": "string", "pattern": r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"},
        "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "pullSecrets": {"type": "array", "items": closed({"name": NAME}, required=("name",))},
    }
    if own:
        fields["name"] = fields["registry"]
        fields["digest"] = {"type": "string", "pattern": r"^(sha256:[0-9a-f]{64})?$"}
    return closed(fields)


def _global() -> Schema:
    parts = closed(dict.fromkeys(PARTS, BOOLEAN))
    common = {name: COMMON_SETTINGS[name] for name in COMMON_SETTINGS if not name.endswith("_TLS_NAME")}
    return closed({"parts": parts, "image": _image(own=False), "settings": closed(common)})


def _monitoring() -> Schema:
    scraped = closed({"enabled": BOOLEAN, "interval": DURATION, "labels": LABELS})
    return closed({"serviceMonitor": scraped, "rules": closed({"enabled": BOOLEAN, "labels": LABELS})})


def _part(part: str) -> Schema:
    others = [name for name in PARTS if name not in (part, "gateway")]
    properties: Schema = {
        "global": _global(),
        "crm-service": {"type": "object", "description": "The library's own; not to be set."},
        "nameOverride": OPTIONAL_NAME,
        "image": _image(own=True),
        "serviceAccount": closed({"create": BOOLEAN, "name": OPTIONAL_NAME, "annotations": LABELS}),
        "labels": LABELS,
        "settings": closed(settings_of(part)),
        "secrets": _secrets(part),
        "files": {"type": "object", "propertyNames": {"pattern": "^[a-z0-9-]{1,50}$"}, "additionalProperties": NAME},
        "targets": closed(dict.fromkeys(others, TARGET)),
        "service": closed(
            {"type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, "port": PORT, "annotations": LABELS}
        ),
        "serve": _process(external=False),
        "temporary": closed({"sizeLimit": QUANTITY}),
        "topologySpread": closed(
            {
                "enabled": BOOLEAN,
                "topologyKeys": {"type": "array", "items": TEXT, "minItems": 1},
                "whenUnsatisfiable": {"enum": ["ScheduleAnyway", "DoNotSchedule"]},
            }
        ),
        "tls": _tls(),
        "networkPolicy": _network(part),
        "monitoring": _monitoring(),
    }
    return closed({**properties, **_own(part)})


def _own(part: str) -> Schema:
    """What only some parts have."""
    if part == "gateway":
        return {
            "ingress": closed(
                {
                    "enabled": BOOLEAN,
                    "className": OPTIONAL_NAME,
                    "host": OPTIONAL_NAME,
                    "tlsSecretName": OPTIONAL_NAME,
                    "annotations": LABELS,
                }
            ),
            "httpRoute": closed(
                {"enabled": BOOLEAN, "parentRefs": OBJECTS, "hostnames": {"type": "array", "items": NAME}}
            ),
        }
    migration: Schema = {
        "enabled": BOOLEAN,
        "deadlineSeconds": {"type": "integer", "minimum": 30},
        "backoffLimit": {"type": "integer", "minimum": 0},
        "resources": _resources(),
    }
    own: Schema = {
        "work": _process(external=True),
        "migrate": closed(migration),
        "callers": {"type": "array", "items": {"enum": list(PARTS)}},
    }
    if part == "leads":
        own["objectStore"] = closed({"claim": OPTIONAL_NAME, "ephemeral": BOOLEAN})
    return own


def _umbrella() -> Schema:
    parts: Schema = {part: {"type": "object", "description": f"The values of the chart {part}."} for part in PARTS}
    dashboard = closed({"enabled": BOOLEAN, "labels": LABELS})
    return closed({"global": _global(), **parts, "dashboard": dashboard})


def _dev_servers() -> Schema:
    server = closed(
        {
            "image": TEXT,
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            "uid": {"type": "integer", "minimum": 1},
            "resources": _resources(),
        }
    )
    return closed({"global": {"type": "object"}, "postgresql": server, "rabbitmq": server, "secrets": BOOLEAN})


def schemas() -> Mapping[str, str]:
    """The content of `values.schema.json` by chart."""
    described = {**{part: _part(part) for part in PARTS}, "crm": _umbrella(), "dev-servers": _dev_servers()}
    assert described.keys() == set(CHARTS)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {chart: json.dumps({**head, **schema}, indent=2) + "\n" for chart, schema in described.items()}
