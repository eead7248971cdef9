"""The programs that the trial cluster is made of and driven with."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_suite.layout import ROOT, Problem

SCRIPTS = Path(os.environ.get("CLUSTER_SCRIPTS") or ROOT.parent / "shared" / "tools" / "k8s")
"""Scripts that start and stop a node, and the binaries of Kubernetes."""
PROGRAMS = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "dnsmasq": "dnsmasq-base",
    "iptables": "iptables",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "xz": "xz-utils",
}
"""Programs that a node of one's own needs → their packages."""
FILES = {"/usr/lib/cni/bridge": "containernetworking-plugins", "/usr/bin/catatonit": "catatonit"}


def missing() -> str:
    """Why a node cannot be started here, and what to do; empty if it can."""
    if not (SCRIPTS / "k8s-up.sh").exists():
        return (
            f"there are no scripts for a node in {SCRIPTS}: name their folder with CLUSTER_SCRIPTS,"
            " or a cluster that runs with KUBECONFIG"
        )
    if os.geteuid() != 0:
        return "a node can only be started by root; name a cluster that runs with KUBECONFIG"
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    packages |= {package for path, package in FILES.items() if not Path(path).exists()}
    if packages:
        return f"packages are missing: apt-get install --no-install-recommends {' '.join(sorted(packages))}"
    return ""


def run(command: Sequence[str | Path], *, stdin: str | None = None, seconds: float = 600) -> str:
    """Run a step and return what it printed. Raises Problem with the end of what it said if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        raise Problem(f"{' '.join(words[:4])} took longer than {seconds:.0f} s") from late
    if done.returncode != 0:
        raise Problem(f"{' '.join(words[:6])} failed:\n{(done.stdout + done.stderr).strip()[-4000:]}")
    return done.stdout
