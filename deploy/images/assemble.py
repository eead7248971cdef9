"""Puts together what an image holds: `assemble.py common | PART`, run while the image is built (see `Dockerfile`).

`common` installs what every part runs on into the environment. A part adds what it alone needs, and what it adds, its
code included, is laid out below OWN as it is to lie below the image's root: a layer of its own.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SOURCES = Path("/build")
WHEELS = SOURCES / "wheels"
ENVIRONMENT = Path("/opt/crm")
OWN = Path("/own")
EVERYBODY = ("crm-chassis", "crm-protos")
"""The distributions that all parts consist of."""

NOT_RUN = ("tests", "test", "include", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.cpp", "*.h")
"""What libraries bring along for those who build or test."""
NOT_USED = (
    "phonenumbers/geodata",  # where a number is from; numbers are only checked and formatted
    "phonenumbers/carrierdata",
    "phonenumbers/tzdata",
    "pycountry/locales",  # names of currencies and countries in other languages
    "cel_expr_python/ext",  # extensions of the language that no condition may use
    "PIL/_avif",  # pictures come as PNG, JPEG and WebP, and nothing is written on them
    "PIL/_imagingft",
    "pillow.libs/lib(avif|freetype|harfbuzz|brotli)",
    "sqlalchemy/(dialects/(mssql|mysql|oracle)|testing/)",
    "google/(api|cloud|gapic|logging|longrunning|type)/",  # of Google's own services; only google.rpc is everybody's
    "opencc/clib/(bin|include|lib|lib64)/",  # for programs in other languages
    "stdnum/(imsi|isbn|oui)\\.dat",  # numbers of telephones, books and network cards
    "numpy/(random|f2py|distutils|ma|polynomial)/",  # only arrays are used
    "numpy/_core/(_simd|[a-z_]*_tests|lib/)",
    "dns/",  # eventlet's own resolver, which the chassis turns off
)
"""The largest of what the suite never opens: how paths begin, as regular expressions."""


def main() -> None:
    """Do what the argument says."""
    match sys.argv[1:]:
        case ["common"]:
            run([sys.executable, "-m", "venv", "--without-pip", str(ENVIRONMENT)])
            install(EVERYBODY)
        case [part]:
            add(part)
        case _:
            sys.exit(__doc__)


def add(part: str) -> None:
    """Install what a part alone needs, and lay it out with the part's code, its migrations and its command."""
    before = set(files(ENVIRONMENT))
    install([f"crm-{part}"])
    for path in sorted(set(files(ENVIRONMENT)) - before):
        target = OWN / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    source = distributions()[f"crm-{part}"]
    for folder in (part, "migrations"):
        if (source / folder).is_dir():
            shutil.copytree(source / folder, OWN / "app" / folder)
    command = OWN / ENVIRONMENT.relative_to("/") / "bin" / part
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f"#!{ENVIRONMENT}/bin/python\nfrom {part}.main import main\n\nmain()\n")
    command.chmod(0o755)
    command.with_name("part").symlink_to(part)


def install(names: Iterable[str]) -> None:
    """Install what distributions of ours need from the locked wheels, and leave out what is never used."""
    before = set(files(ENVIRONMENT))
    pip = [sys.executable, "-m", "pip", "--python", str(ENVIRONMENT / "bin" / "python"), "install", "--quiet"]
    # No other version can be had than the locked one: the index is not asked.
    locked = ["--no-index", "--find-links", str(WHEELS), "--no-compile", "--no-cache-dir"]
    run([*pip, *locked, *sorted(needs(names))])
    slim(set(files(ENVIRONMENT)) - before)


def needs(names: Iterable[str]) -> set[str]:
    """The libraries that distributions of ours need, directly or through other ones of ours."""
    known, found, waiting, seen = distributions(), set[str](), list(names), set[str]()
    while waiting:
        wanted = waiting.pop()
        name, _, extra = wanted.rstrip("]").partition("[")
        if name not in known:
            found.add(wanted)
        elif wanted not in seen:
            seen.add(wanted)
            described = project(known[name])
            waiting += [*described["dependencies"], *described.get("optional-dependencies", {}).get(extra, ())]
    return found


def distributions() -> dict[str, Path]:
    """The folders of our own distributions by their names."""
    return {project(path.parent)["name"]: path.parent for path in SOURCES.rglob("pyproject.toml")}


def project(folder: Path) -> dict[str, Any]:
    """What a distribution says of itself."""
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


def slim(installed: Iterable[Path]) -> None:
    """Delete what never runs of what was just installed, and take the symbols for debuggers out of the rest."""
    for path in installed:
        inside = path.relative_to(ENVIRONMENT)
        needless = any(
            inside.match(each) or any(Path(part).match(each) for part in inside.parts[3:]) for each in NOT_RUN
        )
        if needless or re.search(f"/site-packages/({'|'.join(NOT_USED)})", str(path)):
            path.unlink()
        elif path.suffix == ".so" and not path.is_symlink() and ".libs/" not in str(path):
            # What is in `.libs` was patched when the wheel was made: taking anything out breaks it.
            run(["strip", "--strip-unneeded", str(path)])
    for folder in sorted((path for path in ENVIRONMENT.rglob("*") if path.is_dir()), reverse=True):
        if not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def files(folder: Path) -> Iterator[Path]:
    """The files below a folder, links included."""
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def run(command: list[str]) -> None:
    """Run a step, and fail with it."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
