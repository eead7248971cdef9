"""One form for the many ways in which a name can be typed."""

import re
import unicodedata
from functools import cache
from importlib.resources import files

import opencc

_NOT_WORD = re.compile(r"[\W_]+")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


@cache
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@cache
def _complicator() -> opencc.OpenCC:
    return opencc.OpenCC("s2t")


def simplified(text: str) -> str:
    """The text in half width, lower case and simplified characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _simplifier().convert(folded) if _BEYOND_ASCII.search(folded) else folded


def traditional(text: str) -> str:
    """The text in traditional characters, as others may have typed it."""
    return _complicator().convert(text) if _BEYOND_ASCII.search(text) else text


def bare(text: str) -> str:
    """The text without spaces and punctuation."""
    return _NOT_WORD.sub("", text)


def words(file: str) -> list[str]:
    """The words of a list that is kept beside this module."""
    lines = files("customers.matching").joinpath(file).read_text("utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]
