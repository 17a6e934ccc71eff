"""What can go wrong around a cell: results that JSON cannot carry, two writers, a full disk, kill -9 of the command."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from segbench.cells.cell import Result, run_in_child
from segbench.records.case import Case
from segbench.records.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

TASK = """
import sys
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.tasks.protocol import serve

def run(case, report):
    report.measured(Measurement("parameters", 7, "counted"))
    report.measured(Measurement("macs", {value}, "counted", detail={detail}))

serve(run, lambda case: Environment("cpu", "CPU", "2", "3", "Linux", "0", 1), lambda error: "failed")
"""


def answer(value: str = "1", detail: str = "{}") -> Result:
    command = [sys.executable, "-c", TASK.replace("{value}", value).replace("{detail}", detail)]
    return run_in_child(Case("memory", "a"), 30.0, lambda *_: None, command)


@pytest.mark.parametrize("detail", ["{'network': object()}", "{'bytes': b'x' * 100}", "{'why': {1, 2}}"])
def test_a_result_that_cannot_be_sent_fails_its_case_and_keeps_what_was_sent_before(detail: str) -> None:
    result = answer(detail=detail)
    assert result.outcome == "failed"
    assert "not JSON serializable" in str(result.cause)
    assert [item.quantity for item in result.measurements] == ["parameters"]


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')"])
def test_a_value_that_is_no_number_fails_its_case_and_not_the_ledger(value: str) -> None:
    result = answer(value=value)
    assert (result.outcome, len(result.measurements)) == ("failed", 1)
    assert "not JSON compliant" in str(result.cause)


def test_a_huge_result_arrives_whole() -> None:
    result = answer(detail="{'samples': list(range(500_000))}")
    assert result.outcome == "ok"
    assert len(result.measurements[1].detail["samples"]) == 500_000


WRITER = """
import sys
from pathlib import Path
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
name, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    case = Case("memory", name, batch_size=number + 1)
    Ledger(folder).append(Entry("r", f"{name}{number}", name, "", {}, case, None, "ok", None, (), 0.0, ""))
"""


def start_writer(name: str, folder: Path, count: int, prelude: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", prelude + WRITER, name, str(folder), str(count)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def ended(writer: subprocess.Popen[str]) -> int:
    """The exit code, its pipe read and closed."""
    writer.communicate(timeout=60)
    return writer.returncode


def test_two_writers_on_one_ledger_both_keep_all_rows(tmp_path: Path) -> None:
    writers = [start_writer(name, tmp_path, 60) for name in ("a", "b")]
    assert [ended(writer) for writer in writers] == [0, 0]
    book = Ledger(tmp_path)
    assert Counter(entry.model for entry in book.entries()) == {"a": 60, "b": 60}
    assert book.damage == []


def test_a_writer_that_is_killed_takes_no_row_of_another_with_it(tmp_path: Path) -> None:
    victim, survivor = start_writer("a", tmp_path, 100_000), start_writer("b", tmp_path, 60)
    while survivor.poll() is None:
        time.sleep(0.01)
    victim.kill()
    ended(victim), ended(survivor)
    book = Ledger(tmp_path)
    counts = Counter(entry.model for entry in book.entries())
    assert counts["b"] == 60
    assert len(book.damage) <= 1, "at most the line that was being written"
    assert ended(start_writer("c", tmp_path, 1)) == 0, "its lock died with it"
    assert Counter(entry.model for entry in book.entries())["c"] == 1


def test_a_disk_that_fills_up_keeps_every_row_written_before(tmp_path: Path) -> None:
    limit = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    writer = start_writer("a", tmp_path, 1000, limit)
    _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert "cannot take another row" in errors
    book = Ledger(tmp_path)
    kept = len(book.entries())
    assert kept > 10 and book.damage == []
    assert book.path.read_bytes().endswith(b"\n")


COMMAND = """
import sys
from pathlib import Path
from segbench.cards.card import ModelCard
from segbench.cards.model import Model
from segbench.cells.cell import run_in_child
from segbench.cells.executor import LocalExecutor
from segbench.cells.series import plan, run_series
from segbench.cards.spec import ModelSpec
from segbench.records.case import Case
from segbench.records.ledger import Ledger

CHILD = '''
import json, sys
sys.path.insert(0, {root!r})
from segbench.tasks.orphan import die_with_parent
die_with_parent()
import time
time.sleep(0.05)
print(json.dumps({{"event": "measured", "measurement": {{"quantity": "parameters", "value": 7, "method": "counted"}}}}))
print(json.dumps({{"event": "outcome", "outcome": "ok", "cause": None, "user_error": False}}), flush=True)
'''.format(root={root!r})

def measure(case, timeout_s, listen):
    return run_in_child(case, timeout_s, listen, [sys.executable, "-S", "-c", CHILD])

names = [str(number) for number in range(30)]
models = [Model(name, ModelSpec("catalogue", "", name), ModelCard(title=name, builder="a:B")) for name in names]
executor = LocalExecutor(measure)
cells = plan(models, lambda model: [Case("memory", model.spec.text)], executor)
for done in run_series(cells, Ledger(Path(sys.argv[1])), executor, 30, lambda *_: None):
    print(done.entry.key, "new" if done.fresh else "known", flush=True)
"""


def test_kill_9_of_the_command_at_random_moments_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    rng = random.Random(20181018)
    command = [sys.executable, "-c", COMMAND.replace("{root!r}", repr(str(ROOT))), str(tmp_path / "runs")]
    acknowledged: set[str] = set()
    kills = 0
    while kills < 20:
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()  # from here on it is measuring
            time.sleep(rng.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
            lines = [first, *process.stdout]
        acknowledged |= {line.split()[0] for line in lines if line.endswith(("new\n", "known\n"))}
        kills += 1
        book = Ledger(tmp_path / "runs")
        keys = Counter(entry.key for entry in book.entries() if entry.run == book.entries()[-1].run)
        assert set(keys.values()) <= {1}, "none double within a run"
        if len(keys) == 30:  # finished before the kill: start over
            assert acknowledged <= set(keys)
            acknowledged = set()
        assert acknowledged <= set(keys), "none lost"
    assert subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False).returncode == 0
    entries = Ledger(tmp_path / "runs").entries()
    last = [entry for entry in entries if entry.run == entries[-1].run]
    assert len({entry.key for entry in last}) == len(last) == 30


def test_a_child_does_not_outlive_a_command_that_is_killed() -> None:
    script = """
import os, subprocess, sys, time
child = [sys.executable, "-c", "from segbench.tasks.orphan import die_with_parent; die_with_parent(); "
         "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
subprocess.Popen(child, start_new_session=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) != process.pid, "the child is there"
        start = time.monotonic()
        process.kill()
        assert process.stdout.read() == ""
    assert time.monotonic() - start < 30, "its end of the pipe closed, long before it would have ended by itself"
