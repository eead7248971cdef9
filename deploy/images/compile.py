"""Compiles what runs: `compile.py PACKAGE…`, run while the image is built (see `Dockerfile`).

The root of a container is read-only: what is not compiled by then would be compiled at every start, for seconds. Our
own code is compiled whole; of Python and the libraries, many times larger, what the packages import.
"""

import compileall
import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

CODE = "/app"
COMMON = "chassis"
LEFT_OUT = ("testing", "__main__")
"""Modules that run nowhere or turn the process into something else."""


def main() -> None:
    """Import all modules of the packages, then compile the rest of our own code."""
    sys.dont_write_bytecode = False
    for package in sys.argv[1:]:
        for name in modules(package):
            try:
                import_module(name)
            except ModuleNotFoundError as error:
                # What an extra of the chassis brings, the part that names it has.
                if package != COMMON or str(error.name).startswith(COMMON):
                    raise
    if not compileall.compile_dir(CODE, quiet=1):
        sys.exit(1)


def modules(package: str) -> Iterator[str]:
    """A package and all that is in it, but for tests."""
    yield package
    for found in walk_packages(import_module(package).__path__, f"{package}."):
        if not found.name.rpartition(".")[2].startswith(LEFT_OUT) and ".testing." not in found.name:
            yield found.name


if __name__ == "__main__":
    main()
