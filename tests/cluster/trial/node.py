"""A Kubernetes of one node, in namespaces of its own: up, with images in it, and gone without a trace."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from embedded.tools import default_cache

from trial.tools import SCRIPTS, run

PAUSE = "localhost/pause:dev"
NAMES = Path(__file__).with_name("names.py")


class Node:
    """A node whose state is in a folder."""

    def __init__(self, state: Path) -> None:
        self.state = state

    @property
    def kubeconfig(self) -> Path:
        """How it is reached, from inside its network."""
        return self.state / "kubeconfig"

    @property
    def inside(self) -> list[str]:
        """The beginning of a command that runs in the node's network, where the addresses of services are reached."""
        return self.enter("--net")

    def enter(self, *namespaces: str) -> list[str]:
        """The beginning of a command that runs in namespaces of the node."""
        return ["nsenter", "--target", (self.state / "pid").read_text().strip(), *namespaces]

    def runs(self) -> bool:
        """Whether it is up."""
        pid = self.state / "pid"
        return pid.exists() and Path(f"/proc/{pid.read_text().strip()}").exists()

    def up(self) -> None:
        """Start it, unless it runs. Raises Problem."""
        if self.runs():
            return
        self.state.mkdir(parents=True, exist_ok=True)
        # The servers of names give up root before they read the names from here.
        self.state.chmod(0o755)
        run([SCRIPTS / "k8s-up.sh", binaries(), self.state])
        self._resolve()
        run([SCRIPTS / "mkpause.sh"])
        self.load([PAUSE])

    def _resolve(self) -> None:
        """Resolve the names of headless services as well, which the node's own server of names leaves out."""
        for protocol in ("udp", "tcp"):
            asked = ["--destination", "10.200.0.1", "--protocol", protocol, "--dport", "53"]
            led = ["--jump", "DNAT", "--to-destination", "10.200.0.1:5353"]
            run([*self.inside, "iptables", "--table", "nat", "--insert", "PREROUTING", *asked, *led])
        with (self.state / "names.log").open("ab") as log:
            # It ends with the node, when its questions are no longer answered.
            subprocess.Popen(
                [*self.inside, sys.executable, str(NAMES), str(self.state)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def load(self, images: Sequence[str]) -> None:
        """Copy images from this machine into the node, each once, whatever it is called."""
        names: dict[str, list[str]] = {}
        for image in images:
            known = run(["buildah", "images", "--quiet", "--no-trunc", image]).strip()
            names.setdefault(known, []).append(image)
        for first, *others in names.values():
            run([SCRIPTS / "k8s-load.sh", self.state, first])
            for other in others:
                tag = ["ctr", "--address", self.state / "ctd" / "c.sock", "--namespace", "k8s.io", "images", "tag"]
                run([*self.enter("--net", "--mount"), *tag, full_name(first), full_name(other)])

    def down(self) -> None:
        """End it and all that runs on it."""
        if self.runs():
            subprocess.run([str(SCRIPTS / "k8s-down.sh"), str(self.state)], check=False)


def full_name(image: str) -> str:
    """What the node calls an image."""
    return image if image.startswith("localhost/") else f"docker.io/{image}"


def binaries() -> Path:
    """The folder of the binaries of Kubernetes, unpacked once."""
    folder = default_cache() / "kubernetes-1.20.2"
    if not (folder / "kubelet").exists():
        staging = folder.with_name(f"kubernetes.{os.getpid()}")
        staging.mkdir(parents=True)
        archive = SCRIPTS / "kube-1.20.2-linux-amd64.tar.xz"
        if archive.exists():
            run(["tar", "--extract", "--file", archive, "--directory", staging])
            found = next(staging.rglob("kubelet")).parent
            found.rename(folder)
        else:
            run([SCRIPTS / "build-k8s.sh", staging], seconds=3_600)
            staging.rename(folder)
    return folder
