"""Installs the suite into `.venv`, with nothing but Python 3.11 or later: `bootstrap.py [run COMMAND ARGUMENT…]`.

Once installed, and as long as neither the locked requirements nor our own distributions change, it does nothing,
and needs no network. `run` then becomes the command, with the installation first on the PATH. `fetch NAME FOLDER` puts
the packages of `requirements/NAME.lock` into a folder, without what they depend on.
"""

import ast
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have an older one
    sys.exit(f"Guanxi CRM needs Python 3.11 or later; this is {sys.version.split()[0]}. Name another with PYTHON=…")

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
REQUIREMENTS = ROOT / "requirements"
LOCKS = [REQUIREMENTS / f"{name}.lock" for name in ("tools", "runtime", "dev")]

sys.path.insert(0, str(ROOT / "libs" / "embedded"))


def main() -> None:
    """Install what is missing, then become the command that was given, if any."""
    began = time.time()
    if not is_installed():
        VENV.mkdir(exist_ok=True)
        with (ROOT / ".venv" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_installed():
                install()
                print(f"  installed after {time.time() - began:.1f} s", flush=True)
    if sys.argv[1:2] == ["run"]:
        become(sys.argv[2:], began)
    if sys.argv[1:2] == ["fetch"]:
        fetch(REQUIREMENTS / f"{sys.argv[2]}.lock", Path(sys.argv[3]))


def is_installed() -> bool:
    """Whether what is installed is what the sources ask for."""
    return STAMP.exists() and STAMP.read_text() == wanted()


def wanted() -> str:
    """Changes with whatever the installation depends on, its place included."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in [*LOCKS, *(folder / "pyproject.toml" for folder in distributions())]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def distributions() -> list[Path]:
    """The folders of our own distributions."""
    patterns = ("libs/*", "services/*", "gateway", "deploy/local")
    return sorted(path.parent for pattern in patterns for path in ROOT.glob(f"{pattern}/pyproject.toml"))


def install() -> None:
    """Make the environment match the locked requirements, and put our own distributions into it, editable."""
    STAMP.unlink(missing_ok=True)
    create_environment()
    with tempfile.TemporaryDirectory() as scratch:
        pip = find_pip(Path(scratch))
        say("installing the locked requirements …")
        run([*pip, "install", "--quiet", "--require-hashes", "--requirement", str(LOCKS[0])])
        settings, options = uv_settings(pip)
    uv = [str(VENV / "bin" / "uv"), "pip"]
    target = ["--quiet", "--python", str(VENV / "bin" / "python")]
    run([*uv, "sync", *target, *options, "--require-hashes", *map(str, LOCKS)], settings)
    editable = [part for folder in distributions() for part in ("--editable", str(folder))]
    run([*uv, "install", *target, "--offline", "--no-deps", "--no-build-isolation", *editable], settings)
    STAMP.write_text(wanted())


def fetch(lock: Path, folder: Path) -> None:
    """Put locked packages into a folder of their own."""
    with tempfile.TemporaryDirectory() as scratch:
        settings, options = uv_settings(find_pip(Path(scratch)))
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(VENV / "bin" / "python")]
    locked = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    run([*uv, "--target", str(folder), *options, *locked], settings)


def create_environment() -> None:
    """Make a virtual environment, unless there is one that works. It needs no pip of its own."""
    python = VENV / "bin" / "python"
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    if python.exists() and subprocess.run([python, "-c", check], check=False).returncode == 0:
        return
    # Imported here: Debian may ship Python without it.
    try:
        import venv
    except ImportError:
        sys.exit("Python's module venv is missing; install it (Debian: apt-get install python3-venv)")
    for name in ("bin", "lib", "lib64", "include", "pyvenv.cfg"):
        path = VENV / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    venv.create(VENV, with_pip=False, symlinks=True)


def find_pip(scratch: Path) -> list[str]:
    """A command that is pip and installs into the environment: a wheel of it, which Python can run as it is."""
    python = str(VENV / "bin" / "python")
    wheels = bundled_wheels() or sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    if wheels:
        return [python, f"{wheels[-1]}/pip"]
    own = [sys.executable, "-m", "pip", "--python", python]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    from embedded import debian

    try:
        debian.unpack("python3-pip-whl", scratch, lambda name: name == "python3-pip-whl")
    except debian.Unobtainable as error:
        sys.exit(f"There is no pip here and it cannot be downloaded: {error}\nInstall python3-pip or python3-venv.")
    return [python, f"{next(scratch.glob('usr/share/python-wheels/pip-*.whl'))}/pip"]


def bundled_wheels() -> list[Path]:
    """The wheel of pip that comes with Python. Debian takes it out."""
    found = importlib.util.find_spec("ensurepip")
    return sorted(Path(found.origin).parent.glob("_bundled/pip-*.whl")) if found and found.origin else []


def uv_settings(pip: list[str]) -> tuple[dict[str, str], list[str]]:
    """What pip is configured with on this machine, mirrors and certificates, as the environment and options of uv."""
    listed = run([*pip, "config", "list"])
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section):
                found[name.removeprefix(section)] = str(ast.literal_eval(value))
    extra, links, hosts = (found.get(name, "").split() for name in ("extra-index-url", "find-links", "trusted-host"))
    settings = {
        "UV_DEFAULT_INDEX": found.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(links),
        "UV_INSECURE_HOST": " ".join(hosts),
        "UV_HTTP_TIMEOUT": found.get("timeout") or found.get("default-timeout", ""),
        "SSL_CERT_FILE": found.get("cert", ""),
        "SSL_CLIENT_CERT": found.get("client-cert", ""),
        "ALL_PROXY": found.get("proxy", ""),
        # As pip does: any index may have the file. Its hash says which file it has to be.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_LINK_MODE": "hardlink" if same_device() else "copy",
    }
    options = ["--no-index"] if found.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    return {name: value for name, value in settings.items() if value and not os.environ.get(name)}, options


def same_device() -> bool:
    """Whether uv's cache is on the file system of the checkout, so that files need not be copied."""
    cache = Path(os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    while not cache.exists():
        cache = cache.parent
    return cache.stat().st_dev == VENV.stat().st_dev


def run(command: list[str], settings: dict[str, str] | None = None) -> str:
    """Run a step and return what it printed. Leaves the process with what it said if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{Path(command[0]).name} {' '.join(command[1:4])} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def become(command: list[str], began: float) -> None:
    """Turn into a command of the installation."""
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV), "CRM_SINCE": str(began)}
    environment.pop("PYTHONHOME", None)
    # Each of the suite's many processes would compile all that it imports: seconds of work instead of one.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    os.execvpe(command[0], command, environment)  # noqa: S606 - this is what it is for


def say(text: str) -> None:
    """Tell the user what goes on."""
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    main()
