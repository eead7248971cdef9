"""Processes of the suite that do not stop when they are told to."""

import sys
from types import SimpleNamespace

from chassis.testing import eventually
from local_suite import running
from local_suite.layout import RunFolder

STUCK = """
import signal, threading
from chassis import stacks
stacks.tell_when_asked()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def wait_for_ever():
    print("stuck", flush=True)
    threading.Event().wait()
wait_for_ever()
"""


def test_what_does_not_stop_says_where_it_stood_before_it_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(running, "STACKS_SECONDS", 4)  # a machine may stand still just when it is asked
    folder = RunFolder(tmp_path)
    folder.create()
    role = SimpleNamespace(command=[sys.executable, "-c", STUCK])
    begun = running.start(
        folder, SimpleNamespace(name="stuck", role=role, environment={}, fingerprint="", ready_url="")
    )
    eventually(lambda: "stuck" in folder.log("stuck").read_text())
    assert running.stop(folder, ["stuck"]) == ["stuck"]
    assert not begun.process.alive()
    assert "in wait_for_ever" in folder.log("stuck").read_text()
