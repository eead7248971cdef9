"""Every reason that explains an access has its sentence, in every language."""

import ast
import json
import string
from importlib.resources import files
from pathlib import Path

import chassis.explaining
import pytest
from chassis.callers import Reach
from chassis.sharing import ShareLevel
from gateway.explanations import ENGLISH, PREFIX

POOL_ROLES = ("MEMBER", "ADMINISTRATOR")
SERVICES = Path(__file__).parents[2] / "services"
CATALOGUES = {
    locale: json.loads((files("gateway") / "messages" / f"{locale}.json").read_bytes()) for locale in ("zh-CN", "zh-TW")
}


def codes() -> set[str]:
    """The codes of reasons in the modules that give them."""
    modules = [Path(chassis.explaining.__file__), *SERVICES.glob("*/*/explainers.py")]
    trees = [ast.parse(module.read_text(encoding="utf-8")) for module in modules]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found = {text for text in texts if text.isupper() and "_" in text and not text.endswith("_")}
    return (found - {"UNKNOWN_PERMISSION"}) | {"AUTHOR", "SHARED_WITH_USER", "SHARED_WITH_DEPARTMENT"}


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_code_has_its_sentence():
    assert codes() == set(ENGLISH)


@pytest.mark.parametrize("locale", CATALOGUES)
def test_every_sentence_is_translated_and_says_the_same(locale):
    catalogue = CATALOGUES[locale]
    words = {f"{PREFIX}{word}" for word in (*Reach, *ShareLevel, *POOL_ROLES)}
    assert {key for key in catalogue if key.startswith(PREFIX)} == words | {f"{PREFIX}{code}" for code in ENGLISH}
    for code, english in ENGLISH.items():
        assert places(catalogue[f"{PREFIX}{code}"]) == places(english), code
