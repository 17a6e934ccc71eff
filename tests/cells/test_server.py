"""Children of a server that has imported torch, beside fresh interpreters: the same, only sooner.

The task `probe` runs the program that stands in the case's `model`, and tells as a note what that assigns to `said`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segbench.cells.child import Child, Ending, way_to_start
from segbench.cells.server import SERVERS
from segbench.errors import UserError
from segbench.records.case import Case, Json

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="servers are for Linux"),
    pytest.mark.xdist_group("server"),
]

PROBE = """
import json

def run(case, report):
    names = {"report": report}
    exec(case.model, names)
    report.note(json.dumps(names["said"]))
"""
SHY = "import os, sys\nif sys.argv[0] == '-c': os._exit(1)\n" + PROBE
EXTRA_TASKS = "import segbench.tasks; segbench.tasks.__path__.append(__file__.rpartition('/')[0])"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with the tasks of this test; what stands in PYTHONPATH is the user's own choice."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "probe.py").write_text(PROBE)
    (folder / "shy.py").write_text(SHY)
    (folder / "sitecustomize.py").write_text(EXTRA_TASKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.chdir(tmp_path_factory.mktemp("current"))
        yield folder
    SERVERS.end()


def tell(program: str, start: str = "warm", task: str = "probe", timeout_s: float = 120.0) -> Json:
    """What the program said in a child."""
    said, ending, outcomes = run(program, start, task, timeout_s)
    assert outcomes == ["ok"], ending
    return said


def run(
    program: str, start: str = "warm", task: str = "probe", timeout_s: float = 120.0
) -> tuple[Json, Ending, list[str]]:
    child = Child(task, Case("memory", program), timeout_s, start=start)
    events = list(child.events())
    notes = [event["sentence"] for event in events if event["event"] == "note"]
    outcomes = [event["outcome"] for event in events if event["event"] == "outcome"]
    return json.loads(notes[0]) if notes else None, child.ending, outcomes


ITSELF = """
import gc, os, resource, signal, stat, sys, threading, torch
files = [os.fstat(number) for number in range(3)]
said = {
    "argv": sys.argv,
    "path": sys.path,
    "folder": os.getcwd(),
    "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
    "flags": list(sys.flags),
    "leads its session": os.getsid(0) == os.getpid() == os.getpgid(0),
    "files": [stat.S_IFMT(file.st_mode) for file in files],
    "other files": len(os.listdir("/proc/self/fd")),
    "signals": [str(signal.getsignal(number)) for number in range(1, 32) if number not in (9, 19)],
    "limits": [resource.getrlimit(number) for number in range(8)],
    "cores": sorted(os.sched_getaffinity(0)),
    "collector": [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()],
    "python threads": threading.active_count(),
    "threads to come": [torch.get_num_threads(), torch.get_num_interop_threads()],
    "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding, sys.stdout.write_through],
}
"""


def test_a_forked_child_finds_what_a_fresh_interpreter_finds() -> None:
    assert tell(ITSELF) == tell(ITSELF, "cold")


def test_a_forked_child_is_as_large_as_a_fresh_interpreter() -> None:
    size = "from segbench.meters.process_memory import peak_rss_bytes; said = peak_rss_bytes()"
    assert tell(size) == pytest.approx(tell(size, "cold"), rel=0.05)


def test_children_share_a_server_and_nothing_else() -> None:
    first = "import os, torch; torch.mark = 1; torch.manual_seed(5); said = [os.getpid(), os.getppid()]"
    second = "import os, torch; said = [os.getpid(), os.getppid(), hasattr(torch, 'mark'), torch.initial_seed()]"
    one, other = tell(first), tell(second)
    assert one[0] != other[0] and one[1] == other[1] != os.getpid()
    assert other[2] is False and other[3] != 5


def test_every_child_has_random_numbers_of_its_own() -> None:
    draw = "import random, numpy, torch; said = [random.random(), numpy.random.rand(), float(torch.rand(1))]"
    assert not set(tell(draw)) & set(tell(draw))


def test_a_server_has_one_thread_and_no_driver() -> None:
    look = """
import os
server = f"/proc/{os.getppid()}"
files = [os.readlink(f"{server}/fd/{name}") for name in os.listdir(f"{server}/fd")]
said = [len(os.listdir(f"{server}/task")), [name for name in files if "nvidia" in name]]
"""
    assert tell(look) == [1, []]


def test_a_server_imports_nothing_of_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "psutil.py").write_text("open('imported', 'w')")
    (tmp_path / "mine.py").write_text("name = 'mine'")
    monkeypatch.chdir(tmp_path)
    name, parent = tell("import os, mine; said = [mine.name, os.getppid()]")
    assert name == "mine" and parent != os.getpid()
    assert not (tmp_path / "imported").exists()


def test_thread_pools_autograd_and_loader_processes_work_in_a_forked_child() -> None:
    work = """
import numpy, os, torch
torch.set_num_threads(2)
weight = torch.ones(300, 300, requires_grad=True)
(torch.ones(300, 300) @ weight).sum().backward()
loader = torch.utils.data.DataLoader(list(range(6)), batch_size=2, num_workers=2)
said = [
    weight.grad.unique().tolist(), (numpy.ones((300, 300)) @ numpy.ones((300, 300))).max(),
    sum(int(batch.sum()) for batch in loader), len(os.listdir("/proc/self/task")) > 1,
]
"""
    assert tell(work) == [[300.0], 300.0, 15, True]


def test_a_crash_ends_one_child_and_the_next_starts() -> None:
    said, ending, outcomes = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (said, outcomes, ending.outcome) == (None, [], "crashed")
    assert "SIGSEGV" in str(ending.cause)
    assert tell("said = 1") == 1


def test_an_exit_code_and_the_last_line_of_stderr_arrive() -> None:
    _, ending, _ = run("import sys; print('chatter'); sys.stderr.write('the reason\\n'); sys.exit(5)")
    assert (ending.outcome, ending.cause) == ("crashed", "exit code 5: the reason")
    assert "chatter" in ending.stderr


def gone(pid: int) -> bool:
    """Within a few seconds; one that nobody buries counts."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status")
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


SLEEP_WITH_A_CHILD = """
import os, time
pid = os.fork()
if pid:
    open("pids", "w").write(f"{os.getpid()} {pid} {os.getppid()}")
    report.note("0")
time.sleep(600)
"""


def pids() -> tuple[int, int, int]:
    child, grandchild, server = map(int, Path("pids").read_text().split())
    return child, grandchild, server


def test_a_hang_is_killed_with_its_own_children_and_the_server_lives() -> None:
    tell("said = 1")  # the server has started, so that the limit is the child's alone
    _, ending, _ = run(SLEEP_WITH_A_CHILD, timeout_s=3)
    child, grandchild, server = pids()
    assert ending.outcome == "timed_out"
    assert gone(child) and gone(grandchild)
    assert tell("import os; said = os.getppid()") == server


def test_a_child_that_has_answered_does_not_wait_for_threads_and_little_for_exit_handlers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("segbench.cells.child._LAST_WORDS_S", 0.5)
    start = time.monotonic()
    assert tell("import threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); said = 1") == 1
    assert tell("import atexit, time; atexit.register(time.sleep, 600); said = 2") == 2
    assert time.monotonic() - start < 60


def test_tasks_that_measure_nothing_share_a_server() -> None:
    tasks = ("params", "predict", "max_batch", "max_input")
    servers = {id(SERVERS.prepare(task)) for task in tasks}
    assert len(servers) == 1
    assert id(SERVERS.prepare("probe")) not in servers
    for task in tasks:
        child = Child(task, Case(task, "no-such-network", device="none", budget_bytes=2**30), 120.0, start="warm")
        causes = [event["cause"] for event in child.events() if event["event"] == "outcome"]
        assert "no-such-network" in str(causes)


def test_what_a_child_leaves_running_ends_with_it() -> None:
    leave = "import os, time\npid = os.fork()\nif not pid: time.sleep(600)\nsaid = pid"
    start = time.monotonic()
    assert gone(tell(leave))
    assert time.monotonic() - start < 60, "it held the pipe open, and nobody waited for it"


def test_children_of_two_threads_do_not_meet() -> None:
    answers: dict[int, Json] = {}

    def ask(number: int) -> None:
        answers[number] = tell(f"import time; time.sleep(0.3); said = {number}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(4)}


def test_a_server_that_dies_takes_its_child_with_it_and_is_replaced() -> None:
    server = tell("import os; said = os.getppid()")
    _, ending, _ = run("import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)")
    assert ending.outcome in ("crashed", "does_not_fit")
    assert tell("import os; said = os.getppid()") not in (server, os.getpid())


def test_another_environment_has_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = "import os; said = [os.environ.get('PROBED'), os.getppid()]"
    _, usual = tell(ask)
    monkeypatch.setenv("PROBED", "yes")
    value, other = tell(ask)
    assert value == "yes" and other not in (usual, os.getpid())
    monkeypatch.delenv("PROBED")
    assert tell(ask) == [None, usual], "the first is kept for its own environment"


def test_a_server_that_cannot_start_leaves_the_children_to_fresh_interpreters() -> None:
    assert tell("import os; said = os.getppid()", task="shy") == os.getpid()


def test_a_fresh_interpreter_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_START", "cold")
    assert way_to_start() == "cold" and way_to_start("warm") == "warm"
    monkeypatch.delenv("SEGBENCH_START")
    assert way_to_start() == "warm"
    assert tell("import os; said = os.getppid()", "cold") == os.getpid()


def test_another_way_to_start_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGBENCH_START", "hot")
    with pytest.raises(UserError, match="no way 'hot' to start a case; SEGBENCH_START may be warm or cold"):
        Child("probe", Case("memory", "x"), 1.0)


COMMAND = """
import signal, sys
from segbench.cells.child import Child
from segbench.records.case import Case
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in its background
for event in Child("probe", Case("memory", sys.argv[1]), 600.0, start="warm").events():
    print(event["event"], flush=True)
"""


def started_command() -> subprocess.Popen[str]:
    """A command whose child sleeps."""
    Path("pids").unlink(missing_ok=True)
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), os.environ["PYTHONPATH"]])
    command = [sys.executable, "-c", COMMAND, SLEEP_WITH_A_CHILD]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
    assert process.stdout
    assert "note\n" in (process.stdout.readline(), process.stdout.readline())
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_server_child_and_grandchild_end_with_their_command(end: signal.Signals) -> None:
    command = started_command()
    command.send_signal(end)
    command.communicate(timeout=60)
    assert all(gone(pid) for pid in pids())


def test_ready_servers_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    for value in ("a", "b", "c"):
        monkeypatch.setenv("PROBED", value)
        numbers.append(tell("import os; said = os.getppid()"))
    assert len(set(numbers)) == 3 and gone(numbers[0]), "the oldest went"
