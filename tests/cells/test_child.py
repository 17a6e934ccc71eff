"""Real processes: a child is a small Python program that speaks the protocol, or fails to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segbench.cells.cell import Result, run_in_child
from segbench.records.case import Case

PRELUDE = """
import json, os, signal, sys, time
case = json.load(sys.stdin)["case"]
def send(event, **payload): print(json.dumps({"event": event, **payload}), flush=True)
def ok(): send("outcome", outcome="ok", cause=None, user_error=False)
def row(value): send("measured", measurement={"quantity": "parameters", "value": value, "method": "counted"})
"""


def run(body: str, timeout_s: float = 20.0) -> Result:
    command = [sys.executable, "-c", PRELUDE + body]
    return run_in_child(Case("memory", "net"), timeout_s, lambda *_: None, command)


def test_a_child_that_answers_is_ok() -> None:
    result = run("row(7); ok()")
    assert (result.outcome, result.cause) == ("ok", None)
    assert [item.value for item in result.measurements] == [7]


def test_a_segmentation_fault_is_an_outcome() -> None:
    result = run("row(1); os.kill(os.getpid(), signal.SIGSEGV)")
    assert result.outcome == "crashed"
    assert "SIGSEGV" in str(result.cause)
    assert [item.value for item in result.measurements] == [1], "what arrived before the crash is kept"


def test_a_kill_names_the_kernel_as_the_usual_reason() -> None:
    result = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert result.outcome in ("crashed", "does_not_fit")
    assert "out-of-memory killer" in str(result.cause)


def test_an_exit_code_carries_the_last_line_of_stderr() -> None:
    result = run("sys.stderr.write('first\\nthe reason\\n'); sys.exit(5)")
    assert result.outcome == "crashed"
    assert result.cause == "exit code 5: the reason"


def test_a_child_that_ends_without_an_answer_has_crashed() -> None:
    result = run("os._exit(0)")
    assert (result.outcome, result.cause) == ("crashed", "the process ended without an answer")


def test_a_hang_is_killed_with_its_own_children(tmp_path: Path) -> None:
    body = f"pid = os.fork()\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(pid)) if pid else None\ntime.sleep(60)"
    start = time.monotonic()
    result = run(body, timeout_s=1.5)
    assert result.outcome == "timed_out"
    assert time.monotonic() - start < 20
    time.sleep(0.2)
    grandchild = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)
        status = Path(f"/proc/{grandchild}/status").read_text()
        if "State:\tZ" in status:  # killed, but its new parent has not looked yet
            raise ProcessLookupError


LINGER = {
    "a thread": "import threading; threading.Thread(target=time.sleep, args=(600,)).start()",
    "an exit handler": "import atexit; atexit.register(time.sleep, 600)",
    "a process": "os.fork() or time.sleep(600)",
    "a process of another session": "os.fork() or (os.setsid(), time.sleep(4), os._exit(0))",
}


@pytest.mark.parametrize("what", LINGER)
def test_a_child_that_has_answered_is_ended_soon(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.cells.child._LAST_WORDS_S", 0.3)
    start = time.monotonic()
    result = run(f"row(7); {LINGER[what]}; ok()")
    assert (result.outcome, len(result.measurements)) == ("ok", 1)
    assert time.monotonic() - start < 15, "far below the limit of 20 s for an answer"


def test_a_crash_is_told_at_once_though_a_process_holds_the_pipe() -> None:
    start = time.monotonic()
    result = run("os.fork() or time.sleep(600); os._exit(4)", timeout_s=300)
    assert (result.outcome, result.cause) == ("crashed", "exit code 4")
    assert time.monotonic() - start < 60


def test_a_child_that_closes_its_pipe_and_stays_has_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.cells.child._LAST_WORDS_S", 0.3)
    result = run("os.close(1); time.sleep(600)", timeout_s=300)
    assert result.outcome == "crashed"
    assert result.cause == "the process closed its output without an answer and did not end"


def test_the_traceback_of_a_task_that_raised_is_kept() -> None:
    body = "send('outcome', outcome='failed', cause='KeyError: 3', user_error=False, traceback='Traceback\\n  ...')"
    result = run(body)
    assert (result.outcome, result.traceback) == ("failed", "Traceback\n  ...")


def test_noise_on_the_pipe_is_not_an_event() -> None:
    result = run("print('progress: 12 %'); print('{broken'); print('[1, 2]'); row(3); ok()")
    assert (result.outcome, len(result.measurements)) == ("ok", 1)


def test_a_flood_of_output_does_not_block() -> None:
    result = run("sys.stderr.write('x' * 3_000_000); sys.stdout.write('y' * 3_000_000 + '\\n'); row(3); ok()")
    assert result.outcome == "ok"


def test_a_child_that_does_not_read_its_request_is_no_deadlock() -> None:
    command = [sys.executable, "-c", "import os; os._exit(3)"]
    result = run_in_child(Case("memory", "x" * 200_000), 20.0, lambda *_: None, command)
    assert result.outcome == "crashed"


@pytest.mark.skipif(sys.platform != "linux", reason="children end with their command on Linux only")
def test_a_killed_command_leaves_no_child_behind(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(
        "import os, time\ndef run(case, report):\n    report.note(str(os.getpid()))\n    time.sleep(60)\n"
    )
    start = "import sys; sys.modules['segbench.tasks.sleepy'] = __import__('sleepy'); sys.argv = ['x', 'sleepy'];"
    start += "from segbench.tasks.__main__ import main; main()"
    program = (
        "import sys; from segbench.cells.cell import run_in_child; from segbench.records.case import Case\n"
        "tell = lambda case, kind, event: print(event.get('sentence'), flush=True)\n"
        f"run_in_child(Case('memory', 'x'), 60.0, tell, [sys.executable, '-c', {start!r}])"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    assert command.stdout
    child = int(command.stdout.readline())
    command.kill()
    command.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "\nState:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline, "the child outlived its command"
        time.sleep(0.05)
