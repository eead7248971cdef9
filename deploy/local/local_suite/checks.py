"""`python -m local_suite.checks lint | test`: everything that must hold before a change is taken."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from filecmp import dircmp
from pathlib import Path

from local_suite.layout import ROOT

TYPED = ("libs", "services", "gateway", "deploy/local")
UNTYPED = r"(^|/)(tests|migrations)/|^libs/protos/"
PYTHON = sys.executable
RELEASED = ROOT / "protos" / "released.binpb"


@dataclass(frozen=True)
class Check:
    """A command that fails if something is wrong."""

    name: str
    command: Sequence[str]


def lint_checks(scratch: Path) -> list[Check]:
    """The checks that need no database, the slowest first."""
    checks = [
        Check("types", [PYTHON, "-m", "mypy", "-n", "2", "--exclude", UNTYPED, *TYPED]),
        Check("generated code", [PYTHON, "-m", "local_suite.checks", "drift", str(scratch)]),
        Check("gateway schema", [PYTHON, "-m", "gateway.schema", "--check"]),
        Check("layers", ["lint-imports"]),
        Check("style", ["ruff", "check", "."]),
        Check("format", ["ruff", "format", "--check", "--quiet", "."]),
        Check("contracts", ["buf", "lint"]),
        Check("contracts' format", ["buf", "format", "--diff", "--exit-code"]),
    ]
    if RELEASED.exists():
        checks.append(Check("released contracts", ["buf", "breaking", "--against", str(RELEASED)]))
    return checks


def lint() -> int:
    """Run the checks, two at a time. Returns 1 if one fails."""
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        return max(pool.map(_run, lint_checks(Path(scratch))))


def _run(check: Check) -> int:
    began = time.monotonic()
    done = subprocess.run(check.command, cwd=ROOT, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    said = "" if done.returncode == 0 else f"\n{done.stdout}{done.stderr}"
    print(f"  {check.name:<20} {verdict:<6} {time.monotonic() - began:5.1f} s{said}", flush=True)
    return min(done.returncode, 1)


def drift(scratch: Path) -> int:
    """Say in which files generating the code anew makes a difference. Returns 1 if there are any."""
    subprocess.run([PYTHON, "libs/protos/generate.py", str(scratch)], cwd=ROOT, check=True)
    different = sorted(_different(dircmp(scratch / "crm", ROOT / "libs" / "protos" / "crm")))
    if different:
        print(f"run `make gen` and commit what it changes: {', '.join(different)}")
    return 1 if different else 0


def _different(compared: "dircmp[str]") -> Iterator[str]:
    yield from (*compared.left_only, *compared.right_only, *compared.diff_files, *compared.funny_files)
    for below in compared.subdirs.values():
        yield from _different(below)


def test() -> int:
    """Run all tests in two processes, those of a file in one of them: see `conftest.py`."""
    command = [PYTHON, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    # Tests start servers from processes in which gRPC runs: a fork must not wake its threads in the child.
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Run what the arguments name."""
    match sys.argv[1:]:
        case ["lint"]:
            return lint()
        case ["test"]:
            return test()
        case ["drift", scratch]:
            return drift(Path(scratch))
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
