"""The programs that charts are checked with come from the locked packages, once."""

import subprocess
from pathlib import Path

import pytest
from local_suite.charts import tools
from local_suite.charts.tools import Tools
from local_suite.layout import Problem


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be downloaded from now on."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for variable in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(variable, raising=False)


def test_the_programs_run(deploy_tools: Tools) -> None:
    for command, said in (
        ([deploy_tools.helm, "version", "--short"], "v4."),
        ([deploy_tools.kubectl, "version", "--client"], "Client Version: v1.37"),
        ([deploy_tools.hadolint, "--version"], "Haskell Dockerfile Linter"),
    ):
        assert said in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (deploy_tools.schemas("1.25") / "deployment-apps-v1.json").exists()


def test_the_second_use_needs_no_network(deploy_tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    assert tools.find() == deploy_tools


def test_what_cannot_be_had_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    with pytest.raises(Problem, match="cannot be had on this machine"):
        tools.find(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
