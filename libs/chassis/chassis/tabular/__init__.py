"""Tables in files: CSV and XLSX, read and written row by row in constant memory.

`open_table` reads whatever spreadsheets and other systems write, and says in a typed error what it cannot read.
`CsvWriter` and `XlsxWriter` write files that no spreadsheet takes for formulas.
"""

from chassis.tabular.formats import TableFormat, detect_format
from chassis.tabular.reading import Problem, Row, Table, open_table
from chassis.tabular.writing import CsvWriter, XlsxWriter, guard, unguard

__all__ = [
    "CsvWriter",
    "Problem",
    "Row",
    "Table",
    "TableFormat",
    "XlsxWriter",
    "detect_format",
    "guard",
    "open_table",
    "unguard",
]
