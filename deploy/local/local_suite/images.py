"""`python -m local_suite.images [PART…]`: builds the images of the parts, all by default, and prints their sizes.

Uses buildah, podman or docker, whichever is there. Where no registry answers, or with `IMAGE_BASE=debian`, buildah
makes the base from Debian's packages: see `local_suite.base_image`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_suite import base_image
from local_suite.layout import ROOT, Problem

REPOSITORY = "guanxi-crm"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TOOLS = ("buildah", "podman", "docker")


@dataclass(frozen=True)
class Image:
    """An image as it was built."""

    name: str
    megabytes: float
    """Unpacked, the base included."""
    seconds: float
    """How long it took to build."""


def parts() -> dict[str, str]:
    """The parts that have an image, and the version of each: its tag."""
    folders = [ROOT / "gateway", *sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))]
    return {
        folder.name: tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"] for folder in folders
    }


def name_of(part: str, version: str) -> str:
    """What an image is called."""
    return f"{REPOSITORY}/{part}:{version}"


def build(names: Sequence[str]) -> list[Image]:
    """Build the images of parts. Raises Problem if there is nothing to build with, or if a build fails."""
    tool, versions = _tool(), parts()
    if unknown := sorted(set(names) - set(versions)):
        raise Problem(f"there is no part {', '.join(unknown)}; there are: {', '.join(versions)}")
    if tool != "docker":
        _find_base(tool)
    return [_build(tool, part, name_of(part, versions[part])) for part in names]


def _tool() -> str:
    found = next((name for name in TOOLS if shutil.which(name)), None)
    if found is None:
        raise Problem(f"images are built by {', '.join(TOOLS)}: install one of them (Debian: apt-get install buildah)")
    return found


def _find_base(tool: str) -> None:
    """Have the base image here: the official one, or where no registry answers, its stand-in."""
    if run_quietly([tool, "inspect", "--type", "image", PYTHON_IMAGE]):
        return
    pulled = os.environ.get("IMAGE_BASE", "") != "debian" and run_quietly([tool, "pull", "--quiet", PYTHON_IMAGE])
    if not pulled:
        base_image.make(tool, PYTHON_IMAGE)


def _build(tool: str, part: str, name: str) -> Image:
    began = time.monotonic()
    arguments = ["--build-arg", f"PART={part}", "--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}", "--tag", name]
    run([tool, *_options(tool), *arguments, str(ROOT)])
    return Image(name, size(tool, name), time.monotonic() - began)


def _options(tool: str) -> list[str]:
    if tool == "docker":
        return ["build", *_certificates()]
    options = ["build", "--layers", "--pull-never", "--format", "docker", *_certificates()]
    if tool == "buildah":
        # Needs nothing of the machine but root, where there is no runtime for containers as well.
        options += ["--isolation", "chroot"]
    if CERTIFICATES.exists() and _certificates():
        options += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    return options


def _certificates() -> list[str]:
    """How the index of packages is reached where the way to it has a certificate of its own."""
    given = {name: os.environ.get(name, "") for name in ("PIP_CERT", "PIP_INDEX_URL")}
    return [part for name, value in given.items() if value for part in ("--build-arg", f"{name}={value}")]


def size(tool: str, name: str) -> float:
    """How large an image is unpacked, in megabytes."""
    if tool == "docker":
        return int(run([tool, "image", "inspect", "--format", "{{.Size}}", name])) / 1e6
    listed = json.loads(run([tool, "images", "--json", name]))[0]["size"]
    if isinstance(listed, int):
        return listed / 1e6
    number, unit = str(listed).split()
    return float(number) * {"kB": 1e-3, "KB": 1e-3, "MB": 1, "GB": 1e3}[unit]


def run_quietly(command: Sequence[str]) -> bool:
    """Whether a step succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str]) -> str:
    """Run a step and return what it printed. Raises Problem with the end of what it said if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{' '.join(command[:2])} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def main() -> None:
    """Build what the arguments name."""
    try:
        for image in build(sys.argv[1:] or list(parts())):
            print(f"  {image.name:<32} {image.megabytes:6.1f} MB  built in {image.seconds:5.1f} s", flush=True)
    except Problem as problem:
        sys.exit(f"images: {problem}")


if __name__ == "__main__":
    main()
