"""A stand-in for the official image of Python, made from Debian's packages, for machines that reach no registry.

It is laid out like the official one as far as the suite's images care: Debian's files without documentation, Python and
pip, `python` and `python3` on the PATH. Like there, the standard library comes without compiled files.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from local_suite.layout import Problem

PACKAGES = ("usr-is-merged", "ca-certificates", "python3", "python3-pip")
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
"""As in Debian's own images; else a package that merges later on brings Perl along."""
HOOKS = (
    'rm -f "$1"/usr/lib/python3.11/EXTERNALLY-MANAGED',
    'ln -s /usr/bin/python3 "$1"/usr/local/bin/python3 && ln -s /usr/bin/python3 "$1"/usr/local/bin/python',
    'find "$1"/usr/lib -name __pycache__ -prune -exec rm -r {} +',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/log/*.log',
)


def make(tool: str, name: str, suite: str = "bookworm") -> None:
    """Make the stand-in under a name.

    Raises Problem if the tool is not buildah or if Debian's packages cannot be fetched.
    """
    if tool != "buildah" or shutil.which("mmdebstrap") is None:
        raise Problem(
            "the base image cannot be pulled; from Debian's packages buildah and mmdebstrap make one"
            " (Debian: apt-get install buildah mmdebstrap)"
        )
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "base.tar"
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        hooks = [MERGED, *(f"--customize-hook={hook}" for hook in HOOKS)]
        packages = ["--variant=apt", f"--include={','.join(PACKAGES)}"]
        _run(["mmdebstrap", "--quiet", *packages, *excluded, *hooks, suite, str(archive), mirror()])
        container = _run(["buildah", "from", "scratch"])
        _run(["buildah", "add", "--quiet", container, str(archive), "/"])
        _run(["buildah", "config", "--env", f"PATH={PATH}", "--env", "LANG=C.UTF-8", "--cmd", "python3", container])
        _run(["buildah", "commit", "--quiet", "--rm", container, name])


def mirror() -> str:
    """Where this machine has its own packages from."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    lines = sources.read_text().splitlines() if sources.exists() else []
    return next((line.split()[1] for line in lines if line.startswith("URIs:")), "http://deb.debian.org/debian")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
