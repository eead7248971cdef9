"""The suite's processes as they run: started, looked at, stopped, and found again by a later command."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil
from chassis import stacks
from embedded.processes import ProcessRef, StartFailed, spawn, tail

from local_suite.layout import ROOT, RunFolder
from local_suite.plan import Process

READY_SECONDS = 180.0
STOP_SECONDS = 60.0
"""More than twice what a process allows itself, however busy the machine is."""
STACKS_SECONDS = 0.5
"""How long a process that does not stop may take to write down where it stands."""
LOG_BYTES = 20_000_000
"""A log that is longer when its process starts is set aside; the one set aside before is then dropped."""


@dataclass(frozen=True)
class Started:
    """A process that was started, whether or not it still runs."""

    name: str
    process: ProcessRef
    fingerprint: str
    ready_url: str


def started(folder: RunFolder) -> dict[str, Started]:
    """What was started and not stopped, by name."""
    return {
        name: Started(name, ProcessRef(**kept["process"]), kept["fingerprint"], kept["ready_url"])
        for name, kept in folder.read("processes").items()
    }


def start(folder: RunFolder, process: Process) -> Started:
    """Start a process and write down that it was. Does not wait until it is ready."""
    log = folder.log(process.name)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".1.log"))
    environment = {**os.environ, **process.environment}
    reference = spawn(process.role.command, environment=environment, log=log, folder=ROOT)
    begun = Started(process.name, reference, process.fingerprint, process.ready_url)
    _note(folder, {**started(folder), process.name: begun})
    return begun


def wait_until_ready(folder: RunFolder, begun: Iterable[Started], seconds: float = READY_SECONDS) -> None:
    """Wait until all are ready. Raises StartFailed with the end of the log of one that is not."""
    deadline = time.monotonic() + seconds
    for each in begun:
        while not is_ready(each):
            log = tail(folder.log(each.name))
            if not each.process.alive():
                raise StartFailed(f"{each.name} ended while starting:\n{log}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{each.name} is not ready after {seconds:.0f} s: {readiness(each)}\n{log}")
            time.sleep(0.05)


def is_ready(begun: Started) -> bool:
    """Whether a process answers that it is ready."""
    return not readiness(begun)


def readiness(begun: Started) -> str:
    """Why a process is not ready, in a few words; empty if it is."""
    try:
        with urllib.request.urlopen(begun.ready_url, timeout=2):  # noqa: S310 - an address of our own
            return ""
    except urllib.error.HTTPError as error:
        return " ".join(error.read().decode(errors="replace").split())[:200] or f"HTTP {error.code}"
    except (OSError, urllib.error.URLError):
        return "does not answer"


def stop(folder: RunFolder, names: Sequence[str]) -> list[str]:
    """Stop processes side by side and forget them. Returns those that had to be killed."""
    known = started(folder)
    chosen = [known[name] for name in names if name in known]
    with ThreadPoolExecutor(max(1, len(chosen))) as pool:
        obeyed = list(pool.map(lambda each: _stop_with_children(each.process), chosen))
    _note(folder, {name: each for name, each in known.items() if each not in chosen})
    return [each.name for each, did in zip(chosen, obeyed, strict=True) if not did]


def _stop_with_children(reference: ProcessRef) -> bool:
    process = reference.find()
    if process is None:
        return True
    # A process that has to be killed cannot end the processes that it started.
    children = [ProcessRef(child.pid, child.create_time()) for child in process.children(recursive=True)]
    obeyed = reference.stop(seconds=STOP_SECONDS, before_kill=lambda: ask_for_stacks([reference, *children]))
    for child in children:
        child.stop(seconds=2)
    return obeyed


def ask_for_stacks(references: Iterable[ProcessRef]) -> None:
    """Let each process that still runs write into its log where it stands, one after the other."""
    for each in references:
        process = each.find()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(stacks.SIGNAL)
            time.sleep(STACKS_SECONDS)


def kill(folder: RunFolder, name: str) -> None:
    """End a process at once, as a crash would. It stays known, so that it can be started again."""
    started(folder)[name].process.kill()


def memory(reference: ProcessRef) -> int:
    """Bytes that a process and its children take, shared ones counted in part; 0 if it does not run."""
    process = reference.find()
    if process is None:
        return 0
    return sum(_own_memory(each) for each in (process, *process.children(recursive=True)))


def _own_memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        # Not every system tells the proportional size.
        return int(getattr(full, "pss", full.uss))
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def _note(folder: RunFolder, begun: dict[str, Started]) -> None:
    kept = {
        name: {"process": asdict(each.process), "fingerprint": each.fingerprint, "ready_url": each.ready_url}
        for name, each in begun.items()
    }
    folder.write("processes", kept)
