"""The real entry point of a child, over a real pipe, with a task of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from segbench.records.case import Case

TASK = """
from segbench.errors import UserError
from segbench.records.measurement import Measurement

def run(case, report):
    print("a library's chatter")
    report.progress("step", 1, 2)
    report.note("somebody else uses the card")
    report.measured(Measurement("parameters", case.batch_size, "counted"))
    if case.batch_size == 2:
        raise UserError("this is your mistake")
    if case.batch_size == 3:
        raise RuntimeError("CUDA out of memory\\nsecond line")
"""
START = "import sys; sys.modules['segbench.tasks.fake'] = __import__('fake'); sys.argv = ['x', 'fake'];"
START += "from segbench.tasks.__main__ import main; main()"


def test_a_child_reports_every_case_and_keeps_the_pipe_clean(tmp_path: Path) -> None:
    (tmp_path / "fake.py").write_text(TASK)
    request = json.dumps({"cases": [Case("fake", "net", batch_size=n).to_json() for n in (1, 2, 3)]})
    child = subprocess.run(
        [sys.executable, "-c", START],
        input=request,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    events = [json.loads(line) for line in child.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    each = ["progress", "note", "measured", "outcome"]
    assert kinds == ["environment", *each * 3], child.stderr
    outcomes = [(e["outcome"], e["cause"], e["user_error"]) for e in events if e["event"] == "outcome"]
    assert outcomes == [
        ("ok", None, False),
        ("failed", "this is your mistake", True),
        ("does_not_fit", "RuntimeError: CUDA out of memory", False),
    ]
    traces = [event["traceback"] for event in events if event["event"] == "outcome"]
    assert traces[:2] == ["", ""], "a sentence for the user needs none"
    assert traces[2].endswith("RuntimeError: CUDA out of memory\nsecond line")
    assert 'File "fake.py", line 13, in run' in traces[2]
    assert "chatter" in child.stderr
    assert events[0]["environment"]["torch"].startswith("2.")
    assert events[0]["environment"]["switches"]["tf32_matmul"] is False
