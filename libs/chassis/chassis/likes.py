r"""Patterns for LIKE in which the text stands for itself. PostgreSQL's escape character is the backslash by default."""

_ESCAPES = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


def escaped(text: str) -> str:
    """The text, with nothing in it that LIKE reads as a wildcard."""
    return text.translate(_ESCAPES)


def starting_with(text: str) -> str:
    """A pattern for what begins with the text."""
    return f"{escaped(text)}%"


def containing(text: str) -> str:
    """A pattern for what contains the text."""
    return f"%{escaped(text)}%"
