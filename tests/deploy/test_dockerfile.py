"""The Dockerfile is written as it should be."""

import subprocess

from local_suite.charts.tools import Tools
from local_suite.layout import ROOT

DOCKERFILE = ROOT / "Dockerfile"


def lint(tools: Tools, text: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [tools.hadolint, "--no-color", "-"]
    return subprocess.run(command, input=text, capture_output=True, check=False, timeout=60)


def test_hadolint_finds_nothing(deploy_tools: Tools) -> None:
    done = lint(deploy_tools, DOCKERFILE.read_bytes())
    assert done.returncode == 0, done.stdout.decode()


def test_hadolint_would_find_something(deploy_tools: Tools) -> None:
    done = lint(deploy_tools, b"FROM debian\nRUN cd /tmp && sudo apt-get install curl\n")
    assert done.returncode == 1
    assert b"DL3004" in done.stdout
