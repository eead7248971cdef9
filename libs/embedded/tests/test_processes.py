import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from embedded.ports import accepts, free_port, is_free
from embedded.processes import ProcessRef, StartFailed, spawn, wait_for

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def start(code, tmp_path):
    return spawn([sys.executable, "-c", code], environment=dict(os.environ), log=tmp_path / "log")


def test_a_process_outlives_the_session_that_started_it_and_is_found_again(tmp_path):
    process = start("import time; time.sleep(60)", tmp_path)
    assert os.getsid(process.pid) == process.pid
    assert ProcessRef(process.pid, process.created).alive()
    assert process.stop()
    assert not process.alive()


def test_another_process_with_the_same_number_is_not_taken_for_it():
    myself = ProcessRef.of(os.getpid())
    earlier = replace(myself, created=myself.created - 3600)
    assert myself.alive()
    assert not earlier.alive()
    earlier.kill()


def test_a_process_that_ignores_the_signal_is_killed_after_its_time(tmp_path):
    process = start(STUBBORN, tmp_path)
    wait_for("it", lambda: "deaf" in (tmp_path / "log").read_text(), process, tmp_path / "log", 60)
    assert not process.stop(signals=(signal.SIGTERM,), seconds=0.2)
    assert not process.alive()


def test_what_ends_while_starting_says_why(tmp_path):
    process = start("import sys; sys.exit('no room')", tmp_path)
    with pytest.raises(StartFailed, match="no room"):
        wait_for("it", lambda: False, process, tmp_path / "log", 60)


def test_what_takes_too_long_to_start_says_so(tmp_path):
    process = start("import time; time.sleep(60)", tmp_path)
    with pytest.raises(StartFailed, match="not ready after"):
        wait_for("it", lambda: False, process, tmp_path / "log", 0.1)
    process.kill()


def test_a_port_is_free_until_a_server_listens_on_it():
    port = free_port()
    assert port < 32768
    assert is_free(port)
    assert not accepts(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert accepts(port)


def test_a_port_that_is_spoken_for_is_not_chosen():
    few = {port for port in range(20000, 32000) if port % 1000}
    assert free_port(few) % 1000 == 0


def test_a_port_that_was_just_chosen_is_not_chosen_by_another_process():
    few = "{port for port in range(20000, 32000) if port % 100}"
    choose = f"from embedded.ports import free_port; print(free_port({few}))"
    command = [sys.executable, "-c", choose]
    chosen = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
    assert len(set(chosen)) == 3


def test_looking_for_a_dead_process_takes_no_time(tmp_path):
    process = start("pass", tmp_path)
    deadline = time.monotonic() + 60
    while process.alive():
        assert time.monotonic() < deadline
    assert process.stop()
