"""Files of refused rows, with what is wrong told in the language of the caller.

Services write them in CSV, in English: the columns `reason` and `message` hold a line of the message for each reason.
"""

import codecs
import csv
import io
from collections.abc import AsyncIterator

from crm.common.v1 import job_pb2

from gateway.locales import translate

_MARK = "\ufeff"
_REASON, _MESSAGE = "reason", "message"


async def told(chunks: AsyncIterator[job_pb2.FileChunk], locale: str) -> AsyncIterator[job_pb2.FileChunk]:
    """A file of refused rows as it streams by, its messages in the language of `locale`."""
    decoder, rows, rest = codecs.getincrementaldecoder("utf-8")(), _Rows(locale), ""
    async for chunk in chunks:
        whole, rest = _cut(rest + decoder.decode(chunk.data))
        yield job_pb2.FileChunk(
            file_name=chunk.file_name, content_type=chunk.content_type, data=rows.told(whole).encode()
        )
    if rest:
        yield job_pb2.FileChunk(data=rows.told(rest).encode())


def _cut(text: str) -> tuple[str, str]:
    """The records that are whole, and the rest. A line that ends within quotes ends no record."""
    end = text.rfind("\n")
    while end >= 0 and text.count('"', 0, end) % 2:
        end = text.rfind("\n", 0, end)
    return text[: end + 1], text[end + 1 :]


class _Rows:
    """The rows of one file, of which the first names the columns."""

    def __init__(self, locale: str) -> None:
        self._locale = locale
        self._places: tuple[int, int] | None = None

    def told(self, text: str) -> str:
        written = io.StringIO(newline="")
        writer = csv.writer(written)
        for row in csv.reader(io.StringIO(text, newline="")):
            if self._places is None:
                names = [name.removeprefix(_MARK) for name in row]
                self._places = names.index(_REASON), names.index(_MESSAGE)
            else:
                self._tell(row, *self._places)
            writer.writerow(row)
        return written.getvalue()

    def _tell(self, row: list[str], reason: int, message: int) -> None:
        reasons, messages = row[reason].split("; "), row[message].split("\n")
        # A message with a value of several lines cannot be told from the next one: it stays as it is.
        if len(reasons) == len(messages):
            told = (translate(self._locale, *one, {}) for one in zip(reasons, messages, strict=True))
            row[message] = "\n".join(told)
