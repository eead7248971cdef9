"""The images that the trial cluster runs: the parts, a second version of each, one that is broken, and the servers."""

from pathlib import Path

from local_suite import images
from local_suite.images import PYTHON_IMAGE, name_of

from trial.tools import run

HERE = Path(__file__).parent / "dockerfiles"
POSTGRES, RABBITMQ = "guanxi-crm/trial-postgres:15", "guanxi-crm/trial-rabbitmq:3"
NEXT, BROKEN = "next", "broken"
"""Tags of what is upgraded to: the same parts under another name, and a part whose servers end at once."""
BROKEN_PART = "customers"


def build() -> list[str]:
    """Build all of them, as far as they are not there yet, and print the sizes. Returns their names. Raises Problem."""
    built = images.build(list(images.parts()))
    for image in built:
        print(f"  {image.name:<36} {image.megabytes:6.1f} MB  built in {image.seconds:5.1f} s", flush=True)
    names = [image.name for image in built]
    for name in list(names):
        following = f"{name.rpartition(':')[0]}:{NEXT}"
        run(["buildah", "tag", name, following])
        names.append(following)
    part = name_of(BROKEN_PART, images.parts()[BROKEN_PART])
    names.append(_build(name_of(BROKEN_PART, BROKEN), "broken", part))
    names += [_build(POSTGRES, "postgres", PYTHON_IMAGE), _build(RABBITMQ, "rabbitmq", PYTHON_IMAGE)]
    return names


def _build(name: str, what: str, base: str) -> str:
    options = ["--layers", "--pull-never", "--format", "docker", "--isolation", "chroot"]
    file = ["--file", HERE / f"{what}.Dockerfile", "--build-arg", f"BASE_IMAGE={base}"]
    run(["buildah", "build", *options, *file, "--tag", name, HERE])
    return name
