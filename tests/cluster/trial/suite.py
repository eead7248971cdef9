"""The suite as it is installed on a cluster: charts in, upgraded, rolled back and out, and what the tests look at."""

import base64
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from local_suite.graphql import GraphQLClient
from local_suite.layout import ROOT, Problem, RunFolder

from trial.tools import run

CHARTS = ROOT / "deploy" / "helm"
NAMESPACE = "crm"
SERVERS = "dev-servers"
PATIENCE = 240
"""Seconds that a chart has to be ready in."""
MEBIBYTE = 1 << 20
MOST_EVENTS = 40
"""That are shown of what happened."""


@dataclass(frozen=True)
class Pod:
    """A pod that runs."""

    name: str
    address: str
    part: str
    process: str
    """`serve`, `work` or `gateway`."""
    ready: bool
    restarts: int

    def metrics(self, name: str) -> dict[str, float]:
        """The samples of a metric by their labels."""
        with urlopen(f"http://{self.address}:9090/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        matched = (re.fullmatch(rf"({name}(?:\{{.*\}})?) (\S+)", line) for line in lines)
        return {found[1]: float(found[2]) for found in matched if found}


class InstalledSuite:
    """The suite in a namespace of the cluster that the environment points at."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for what goes with it, such as the charts with what they depend on."""
        self.folder = folder
        self.parts = [*services(), "gateway"]
        self.charts = folder / "charts"
        shutil.copytree(CHARTS, self.charts, ignore=shutil.ignore_patterns("charts"))
        for part in self.parts:
            run(["helm", "dependency", "build", self.charts / part])

    def helm(self, *arguments: str, seconds: float = 600) -> str:
        """Run helm in the namespace."""
        return run(["helm", "--namespace", NAMESPACE, *arguments], seconds=seconds)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace."""
        return run(["kubectl", "--namespace", NAMESPACE, *arguments])

    def get(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Resources of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *arguments, "--output=json"))["items"]
        return found

    def install_servers(self, postgres: str, rabbitmq: str) -> float:
        """Install PostgreSQL and RabbitMQ with the suite's secrets. Returns the seconds until they were ready."""
        images = ["--set", f"postgresql.image={postgres}", "--set", f"rabbitmq.image={rabbitmq}"]
        return self._timed("install", SERVERS, str(self.charts / SERVERS), "--create-namespace", *images, *waiting())

    def install(self, part: str, *settings: str) -> float:
        """Install a part by itself. Returns the seconds until it was ready, its migration included. Raises Problem."""
        values = ["--values", str(self.charts / part / "values-dev.yaml"), *given(settings)]
        return self._timed("install", part, str(self.charts / part), *values, *waiting())

    def upgrade(self, part: str, *settings: str, seconds: int = PATIENCE) -> float:
        """Upgrade a part to other values, or roll it back if it does not become ready. Raises Problem then."""
        safe = ["--reset-then-reuse-values", "--rollback-on-failure", *waiting(seconds)]
        return self._timed("upgrade", part, str(self.charts / part), *given(settings), *safe)

    def _timed(self, *arguments: str) -> float:
        began = time.monotonic()
        try:
            self.helm(*arguments)
        except Problem as problem:
            raise Problem(f"{problem}\n{self.state()}") from problem
        return time.monotonic() - began

    def state(self) -> str:
        """What there is, what happened last, and what the pods said that are not ready, to find out why."""
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()
        said = [self.kubectl("get", "pods,jobs,deployments", "--output=wide"), *events[-MOST_EVENTS:]]
        for pod in self.get("pods"):
            status = pod["status"]
            if status["phase"] != "Succeeded" and not all(one["ready"] for one in status.get("containerStatuses", ())):
                name = pod["metadata"]["name"]
                for more in ((), ("--previous",)):
                    try:
                        said.append(f"--- {name}\n{self.kubectl('logs', name, '--tail=15', *more)}")
                    except Problem:
                        continue
        return "\n".join(said)

    def pods(self, part: str = "", process: str = "") -> list[Pod]:
        """The pods of the suite's parts that are not about to end."""
        found = []
        for pod in self.get("pods", "--selector=app.kubernetes.io/part-of=guanxi-crm"):
            labels, status = pod["metadata"]["labels"], pod["status"]
            if pod["metadata"].get("deletionTimestamp") or status["phase"] in ("Succeeded", "Failed"):
                continue
            containers = status.get("containerStatuses", [])
            ready = bool(containers) and all(each["ready"] for each in containers)
            restarts = sum(each["restartCount"] for each in containers)
            name, where = pod["metadata"]["name"], status.get("podIP", "")
            kind = pod["spec"]["containers"][0]["name"]
            found.append(Pod(name, where, labels["app.kubernetes.io/name"], kind, ready, restarts))
        return [each for each in found if part in ("", each.part) and process in ("", each.process)]

    def names(self) -> set[str]:
        """The names of all pods, those that are about to end included."""
        return {pod["metadata"]["name"] for pod in self.get("pods")}

    def scale(self, replicas: int) -> None:
        """Run so many replicas of every part, and wait until all are ready."""
        for part in self.parts:
            work = [] if part == "gateway" else [f"work.replicas={replicas}"]
            self.upgrade(part, f"serve.replicas={replicas}", *work)

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret."""
        return base64.b64decode(self.get("secrets", f"--field-selector=metadata.name={name}")[0]["data"][key]).decode()

    def address(self, service: str) -> str:
        """The address of a Service within the cluster."""
        address = self.get("services", f"--field-selector=metadata.name={service}")[0]["spec"]["clusterIP"]
        return str(address)

    @cached_property
    def url(self) -> str:
        """Where the Service of the gateway is reached."""
        return f"http://{self.address('gateway')}"

    @cached_property
    def admin_password(self) -> str:
        """Of the user `admin`."""
        return self.secret("crm-identity", "admin-password")

    def admin(self) -> GraphQLClient:
        """A client signed in as the administrator."""
        return GraphQLClient(self.url).sign_in("admin", self.admin_password)

    def environment(self) -> dict[str, str]:
        """What the programs of the local suite need to know to talk to this one."""
        targets = {f"{service.upper()}_TARGET": f"{self.address(service)}:5051" for service in services()}
        told = {
            "BOOTSTRAP_ADMIN_PASSWORD": self.admin_password,
            "SAMPLE_PASSWORD": "Trial-cluster-7a",
            "GATEWAY_URL": self.url,
        }
        folder = RunFolder(self.folder)
        folder.create()
        folder.write("environment", {**targets, **told})
        return {**os.environ, "RUN_DIR": str(self.folder)}

    def memory(self) -> dict[str, float]:
        """Pod → MiB of its working set: what counts against its limit and cannot be taken back."""
        found: dict[str, float] = {}
        for node in json.loads(run(["kubectl", "get", "nodes", "--output=json"]))["items"]:
            path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
            for pod in json.loads(run(["kubectl", "get", "--raw", path]))["pods"]:
                if pod["podRef"]["namespace"] == NAMESPACE:
                    used = [each["memory"].get("workingSetBytes", 0) for each in pod.get("containers", ())]
                    found[pod["podRef"]["name"]] = sum(used) / MEBIBYTE
        return found

    def uninstall(self) -> None:
        """Take everything out again, the servers last."""
        for part in reversed(self.parts):
            self.helm("uninstall", part, "--wait", "--timeout=120s")
        self.helm("uninstall", SERVERS, "--wait", "--timeout=120s")

    def left(self) -> list[str]:
        """All resources in the namespace but those that Kubernetes keeps in every namespace."""
        kinds = run(["kubectl", "api-resources", "--namespaced", "--verbs=list", "--output=name"]).split()
        wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
        names = self.kubectl("get", wanted, "--output=name", "--ignore-not-found").split()
        standing = ("serviceaccount/default", "secret/default-token", "configmap/kube-root-ca.crt")
        return [name for name in names if not name.startswith(standing)]


def services() -> list[str]:
    """The services that have a chart, in the order in which they are installed: who is called goes first."""
    known = [folder.name for folder in CHARTS.iterdir() if (ROOT / "services" / folder.name).is_dir()]
    # Everybody signs in at identity; leads are about customers; whoever comes later builds on them.
    first = ["identity", "customers", "leads"]
    return sorted(known, key=lambda name: (first.index(name) if name in first else len(first), name))


def given(settings: Sequence[str]) -> Sequence[str]:
    """How helm is told values."""
    return [word for setting in settings for word in ("--set", setting)]


def waiting(seconds: int = PATIENCE) -> Sequence[str]:
    """How helm is told to wait until all is ready."""
    return ("--wait", f"--timeout={seconds}s")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long something took."""
    began = time.monotonic()
    yield
    print(f"  {name:<44} {time.monotonic() - began:6.1f} s", flush=True)
