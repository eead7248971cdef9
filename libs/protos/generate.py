"""Generates the Python modules under `crm/` from the contracts in `protos/`. Run by `make gen`.

Give a folder to generate into another place than this one, to compare.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parent.parent / "protos"
DESCRIPTIONS = "descriptions.json"


def generate(target: Path) -> None:
    """Write the modules of all contracts below a folder, replacing what was there.

    Each file is replaced whole, so that whoever imports the modules meanwhile finds all of them.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".generated-", dir=target) as staging:
        _write(Path(staging))
        _replace(Path(staging) / "crm", target / "crm")


def _replace(made: Path, present: Path) -> None:
    """Let a folder hold just the files that were made."""
    wanted = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for path in sorted(wanted):
        (present / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).replace(present / path)
    for path in [path for path in present.rglob("*") if path.is_file() and "__pycache__" not in path.parts]:
        if path.relative_to(present) not in wanted:
            path.unlink(missing_ok=True)


def _write(target: Path) -> None:
    files = sorted(str(path.relative_to(CONTRACTS)) for path in CONTRACTS.rglob("*.proto"))
    plugins = str(Path(sys.executable).parent)
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{CONTRACTS}"]
        + [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
        + files,
        check=True,
        env={**os.environ, "PATH": f"{plugins}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
    descriptions = dict(sorted(item for file in _described(target, files) for item in _comments(file)))
    text = json.dumps(descriptions, ensure_ascii=False, indent=0) + "\n"
    (target / "crm" / DESCRIPTIONS).write_text(text, encoding="utf-8")


def _described(target: Path, files: list[str]) -> list[FileDescriptorProto]:
    """The contracts with their comments, which the generated modules drop."""
    compiled = target / "crm" / "comments.binpb"
    options = ("--include_source_info", f"--descriptor_set_out={compiled}")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{CONTRACTS}", *options, *files], check=True)
    described = FileDescriptorSet.FromString(compiled.read_bytes())
    compiled.unlink()
    return list(described.file)


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Full name and leading comment of each thing in a contract that has one."""
    for location in file.source_code_info.location:
        comment = " ".join(line.strip() for line in location.leading_comments.strip().splitlines())
        name = _name_at(file, list(location.path)) if comment else ""
        if name:
            yield name, comment


def _name_at(file: FileDescriptorProto, path: list[int]) -> str:
    """The full name of what a path of field numbers and indexes leads to; empty for what has no name."""
    names = [file.package]
    node: Any = file
    for number, index in zip(path[::2], path[1::2], strict=False):
        field = node.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated or field.message_type is None:
            return ""
        node = getattr(node, field.name)[index]
        if "name" not in node.DESCRIPTOR.fields_by_name:
            return ""
        names.append(node.name)
    return ".".join(names) if len(path) % 2 == 0 and path else ""


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
