"""What runs, since when, how much memory it takes, and whether it is ready."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from embedded import postgres, rabbitmq
from embedded.processes import ProcessRef

from local_suite import running
from local_suite.layout import RunFolder


@dataclass(frozen=True)
class Line:
    """One process."""

    name: str
    process: ProcessRef
    problem: str
    """Why it is not ready; empty if it is."""

    @property
    def memory(self) -> int:
        """Bytes, with those of the processes that it started."""
        return running.memory(self.process)


def lines(folder: RunFolder) -> Iterator[Line]:
    """The processes that were started and not stopped."""
    database, broker = postgres.attach(folder.postgres), rabbitmq.attach(folder.rabbitmq)
    if database is not None:
        yield Line("postgres", database.process, "")
    if broker is not None:
        yield Line("rabbitmq", broker.process, "")
    for each in running.started(folder).values():
        yield Line(each.name, each.process, running.readiness(each) if each.process.alive() else "has ended")


def table(folder: RunFolder) -> tuple[str, bool]:
    """A table for people, and whether everything in it is ready."""
    rows, total, well = [], 0, True
    for line in lines(folder):
        memory = line.memory
        total += memory
        well = well and not line.problem
        age = _duration(time.time() - line.process.created) if line.process.alive() else "-"
        numbers = f"{line.process.pid:>8}{memory / 2**20:>9.0f} MiB{age:>10}"
        rows.append(f"{line.name:<18}{numbers}  {line.problem or 'ready'}")
    if not rows:
        return f"nothing runs from {folder.path}", False
    url = folder.read("environment").get("GATEWAY_URL", "")
    head = f"{'process':<18}{'pid':>8}{'memory':>13}{'up':>10}  state"
    mails = folder.read("environment").get("MAIL_FOLDER", "")
    end = [url, f"mails are written to {mails}"] if mails else [url]
    return "\n".join([head, *rows, f"{'together':<26}{total / 2**20:>9.0f} MiB", *end]), well


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
