"""What a reader yields."""

from typing import NamedTuple


class Problem(NamedTuple):
    """Why a row cannot be used."""

    field: str
    """The column or cell at fault, or empty."""
    reason: str
    message: str
    value: str


class Row(NamedTuple):
    """A row as text, with its number as a spreadsheet shows it: the first row of the file is 1."""

    number: int
    cells: list[str]
    problem: Problem | None = None
    exact: bool = True
    """False if the format leaves empty cells at the end of a row out."""
