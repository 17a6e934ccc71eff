"""The real entry point of a child, over a real pipe, with a task of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from segbench.records.case import Case, Json

TASK = """
from segbench.errors import UserError
from segbench.records.measurement import Measurement

def run(case, report):
    print("a library's chatter")
    report.progress("step", 1, 2)
    report.note("somebody else uses the GPU")
    report.measured(Measurement("parameters", case.batch_size, "counted"))
    if case.batch_size == 2:
        raise UserError("this is your mistake")
    if case.batch_size == 3:
        raise RuntimeError("CUDA out of memory\\nsecond line")
"""
START = "import sys; sys.modules['segbench.tasks.fake'] = __import__('fake'); sys.argv = ['x', 'fake'];"
START += "from segbench.tasks.__main__ import main; main()"


def events_of(folder: Path, batch_size: int) -> tuple[list[dict[str, Json]], str]:
    """What a child says about a case with so many images, and its stderr."""
    (folder / "fake.py").write_text(TASK)
    child = subprocess.run(
        [sys.executable, "-c", START],
        input=json.dumps({"case": Case("memory", "net", batch_size=batch_size).to_json()}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=False,
    )
    return [json.loads(line) for line in child.stdout.splitlines()], child.stderr


def test_a_child_reports_its_case_and_keeps_the_pipe_clean(tmp_path: Path) -> None:
    events, errors = events_of(tmp_path, 1)
    kinds = [event["event"] for event in events]
    assert kinds == ["environment", "progress", "note", "measured", "outcome"], errors
    assert events[-1] == {"event": "outcome", "outcome": "ok", "cause": None, "user_error": False, "traceback": ""}
    assert "chatter" in errors
    assert events[0]["environment"]["torch"].startswith("2.")
    assert events[0]["environment"]["switches"]["tf32_matmul"] is False


def test_a_sentence_for_the_user_needs_no_traceback(tmp_path: Path) -> None:
    end = events_of(tmp_path, 2)[0][-1]
    assert (end["outcome"], end["cause"], end["user_error"]) == ("failed", "this is your mistake", True)
    assert end["traceback"] == ""


def test_what_a_task_raises_is_its_outcome_with_a_traceback(tmp_path: Path) -> None:
    end = events_of(tmp_path, 3)[0][-1]
    assert (end["outcome"], end["cause"]) == ("does_not_fit", "RuntimeError: CUDA out of memory")
    assert end["traceback"].endswith("RuntimeError: CUDA out of memory\nsecond line")
    assert 'File "fake.py", line 13, in run' in end["traceback"]
