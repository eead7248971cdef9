"""The images of all parts, built for real: how large they are, what they share, and what is in them.

They are built by `make test-images` alone, since that takes minutes, by root with buildah. The base is the official
image if it can be had, else its stand-in.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_suite import images
from local_suite.charts import tools
from local_suite.layout import ROOT

MOST_MEGABYTES = 250
COMPILERS = ("gcc", "cc", "g++", "make", "strip", "ld", "rustc", "go")
OWNER = 10001

wanted = pytest.mark.skipif(os.environ.get("IMAGE_TESTS") != "1", reason="builds images: make test-images")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def built() -> dict[str, images.Image]:
    assert shutil.which("buildah"), "apt-get install buildah mmdebstrap"
    assert os.geteuid() == 0, "images are looked into by root"
    parts = list(images.parts())
    return dict(zip(parts, images.build(parts), strict=True))


@pytest.fixture(params=sorted(images.parts()))
def root(request: pytest.FixtureRequest, built: dict[str, images.Image]) -> Iterator[Path]:
    """The files of an image."""
    container = buildah("from", "--pull-never", built[request.param].name)
    yield Path(buildah("mount", container))
    buildah("rm", container)


def test_dockerfiles_are_clean() -> None:
    files = [ROOT / "Dockerfile", *ROOT.glob("tests/cluster/trial/dockerfiles/*.Dockerfile")]
    done = subprocess.run([tools.find().hadolint, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@wanted
def test_every_image_is_small(built: dict[str, images.Image]) -> None:
    for image in built.values():
        print(f"{image.name:<32} {image.megabytes:6.1f} MB")
    assert {part: image.megabytes for part, image in built.items() if image.megabytes >= MOST_MEGABYTES} == {}


@wanted
def test_images_share_all_layers_but_their_own(built: dict[str, images.Image]) -> None:
    inspected = [json.loads(buildah("inspect", "--type", "image", image.name)) for image in built.values()]
    layers = [image["OCIv1"]["rootfs"]["diff_ids"] for image in inspected]
    own = 2  # what a part adds, and what of it was compiled
    assert len({tuple(each[:-own]) for each in layers}) == 1
    assert len({tuple(each) for each in layers}) == len(built)
    for image in inspected:
        assert image["OCIv1"]["config"]["User"] == f"{OWNER}:{OWNER}"
        assert image["OCIv1"]["config"]["Entrypoint"] == ["part"]


@wanted
def test_nothing_in_an_image_compiles_or_can_be_written(root: Path) -> None:
    folders = [root / folder for folder in ("bin", "usr/bin", "usr/local/bin", "opt/crm/bin")]
    assert [name for name in COMPILERS for folder in folders if (folder / name).exists()] == []
    for path in [*(root / "opt").rglob("*"), *(root / "app").rglob("*")]:
        stat = path.lstat()
        assert stat.st_uid == 0, path
        assert path.is_symlink() or not stat.st_mode & 0o022, path


@wanted
def test_our_own_code_is_compiled_and_without_tests(root: Path) -> None:
    sources = set((root / "app").rglob("*.py"))
    compiled = {path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in (root / "app").rglob("*.pyc")}
    assert sources <= compiled
    assert not [path for path in sources if "tests" in path.relative_to(root).parts]
