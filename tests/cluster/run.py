"""`make test-cluster`: tests the images and charts on a real Kubernetes, and leaves nothing behind.

The cluster is the one that KUBECONFIG names, whose Services must be reachable from here and to which LOAD_IMAGES, a
command that is given their names, brings the images (`kind load docker-image`). Without it, a node is started by the
scripts in CLUSTER_SCRIPTS. KEEP=1 leaves it up for the next run; arguments go to pytest.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local_suite.charts import tools as charts
from local_suite.layout import ROOT, Problem
from trial import images as trial_images
from trial import tools
from trial.node import Node

HERE = Path(__file__).parent


def main() -> int:
    """Run everything. Returns the exit code of the tests, or 2 if they cannot be run here."""
    os.nice(5)
    try:
        os.environ["PATH"] = f"{charts.find().helm.parent}{os.pathsep}{os.environ['PATH']}"
        if os.environ.get("KUBECONFIG"):
            return given(sys.argv[1:])
        if reason := tools.missing():
            print(f"the cluster cannot be tested here: {reason}", file=sys.stderr)
            return 2
        return own(sys.argv[1:])
    except Problem as problem:
        print(f"test-cluster: {problem}", file=sys.stderr)
        return 2


def given(arguments: list[str]) -> int:
    """Test on the caller's cluster."""
    images = trial_images.build()
    loader = os.environ.get("LOAD_IMAGES", "")
    if loader:
        tools.run([*shlex.split(loader), *images])
    return test([], dict(os.environ), arguments)


def own(arguments: list[str]) -> int:
    """Test on a node of one's own."""
    images = trial_images.build()
    keep = os.environ.get("KEEP", "") == "1"
    state = Path(tempfile.gettempdir()) / "guanxi-cluster" if keep else Path(tempfile.mkdtemp(prefix="guanxi-cluster-"))
    node = Node(state)
    try:
        began = time.monotonic()
        node.up()
        node.load(images)
        print(f"  the node is up with its images after {time.monotonic() - began:.0f} s", flush=True)
        return test(node.inside, {**os.environ, "KUBECONFIG": str(node.kubeconfig)}, arguments)
    finally:
        if not keep:
            node.down()
            shutil.rmtree(state, ignore_errors=True)


def test(inside: list[str], environment: dict[str, str], arguments: list[str]) -> int:
    """Run the tests, where the addresses of the cluster are reached."""
    began = time.monotonic()
    told = {**environment, "CLUSTER_TESTS": "1", "GRPC_ENABLE_FORK_SUPPORT": "0"}
    command = [*inside, sys.executable, "-m", "pytest", "-q", "-x", "-s", "--timeout=900", str(HERE), *arguments]
    code = subprocess.run(command, cwd=ROOT, env=told, check=False).returncode
    print(f"  the tests took {(time.monotonic() - began) / 60:.1f} min")
    return code


if __name__ == "__main__":
    sys.exit(main())
