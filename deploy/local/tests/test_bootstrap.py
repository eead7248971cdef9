import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path):
    """The script, of a checkout of its own."""
    spec = spec_from_file_location("bootstrap", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT, module.VENV, module.STAMP = tmp_path, tmp_path / ".venv", tmp_path / ".venv" / "installed"
    module.LOCKS = [tmp_path / "requirements" / f"{name}.lock" for name in ("tools", "runtime", "dev")]
    for path in [*module.LOCKS, tmp_path / "libs" / "one" / "pyproject.toml", tmp_path / "gateway" / "pyproject.toml"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    module.VENV.mkdir()
    module.STAMP.write_text(module.wanted())
    return module


def test_nothing_is_done_while_nothing_changed(bootstrap):
    assert bootstrap.is_installed()


@pytest.mark.parametrize("changed", ["requirements/dev.lock", "libs/one/pyproject.toml", "gateway/pyproject.toml"])
def test_a_change_of_what_is_installed_is_noticed(bootstrap, changed):
    (bootstrap.ROOT / changed).write_text("something else")
    assert not bootstrap.is_installed()


def test_a_new_distribution_is_noticed(bootstrap):
    path = bootstrap.ROOT / "services" / "two" / "pyproject.toml"
    path.parent.mkdir(parents=True)
    path.touch()
    assert not bootstrap.is_installed()


def test_an_installation_that_was_moved_is_noticed(bootstrap, tmp_path):
    bootstrap.STAMP.write_text(bootstrap.wanted().replace("0", "1"))
    assert not bootstrap.is_installed()


def configured(bootstrap, monkeypatch, lines):
    for name in list(os.environ):
        if name.startswith(("UV_", "SSL_", "ALL_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(bootstrap, "run", lambda command: "\n".join(lines))
    return bootstrap.uv_settings(["pip"])


def test_the_mirrors_of_pip_are_those_of_uv(bootstrap, monkeypatch):
    settings, options = configured(
        bootstrap,
        monkeypatch,
        [
            "global.cert='/etc/company.pem'",
            "global.extra-index-url='https://one.example/simple\\nhttps://two.example/simple'",
            "global.index-url='https://mirror.example/simple'",
            "install.find-links='/opt/wheels /opt/more'",
            "global.trusted-host='mirror.example'",
            "global.timeout='60'",
        ],
    )
    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert settings["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert settings["UV_FIND_LINKS"] == "/opt/wheels,/opt/more"
    assert settings["UV_INSECURE_HOST"] == "mirror.example"
    assert settings["SSL_CERT_FILE"] == "/etc/company.pem"
    assert settings["UV_HTTP_TIMEOUT"] == "60"
    assert options == []


def test_the_environment_of_pip_comes_before_its_files(bootstrap, monkeypatch):
    lines = [
        ":env:.index-url='https://env.example'",
        "global.index-url='https://file.example'",
        "global.no-index='true'",
    ]
    settings, options = configured(bootstrap, monkeypatch, lines)
    assert settings["UV_DEFAULT_INDEX"] == "https://env.example"
    assert options == ["--no-index"]


def test_what_is_set_for_uv_is_left_alone(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "run", lambda command: "global.index-url='https://file.example'")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://chosen.example")
    settings, _ = bootstrap.uv_settings(["pip"])
    assert "UV_DEFAULT_INDEX" not in settings


def test_run_becomes_the_command_with_the_installation_first_on_the_path():
    if not (SCRIPT.parents[2] / ".venv" / "installed").exists():
        pytest.skip("this checkout was not installed by the script")
    show = "import os, sys; print(os.environ['PATH'].split(os.pathsep)[0], os.environ['CRM_SINCE'], sys.argv[1])"
    command = [sys.executable, str(SCRIPT), "run", "python", "-c", show, "an argument"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(SCRIPT.parents[2] / ".venv" / "bin"))
    assert said.rstrip().endswith("an argument")
