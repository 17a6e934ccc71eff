"""When children may be forked from a process; the forking itself is tested in `tests/cells/test_server.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

LOOK = """
import json, os, threading, time
from segbench.tasks import server
said = [server.why_unfit()]
real, server._open_files = server._open_files, lambda: ["/dev/null", "/dev/nvidiactl"]
said.append(server.why_unfit())
server._open_files = real
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print(json.dumps([*said, server.why_unfit()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="servers are for Linux")
def test_a_process_with_a_running_thread_or_the_cuda_driver_forks_no_children() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}  # numpy then starts threads that wait
    answer = subprocess.run([sys.executable, "-c", LOOK], env=environment, stdout=subprocess.PIPE, check=True)
    imported, with_driver, with_thread = json.loads(answer.stdout)
    assert imported is None, "threads that libraries start again when they compute do not count"
    assert "CUDA driver" in with_driver
    assert "threads" in with_thread


END = """
import atexit, sys, weakref
from segbench.tasks import server
server.import_all(["predict", "max_batch"])
server.skip_torchs_exit_handlers()
skipped = [item for item in weakref.finalize._registry if not item.atexit]
assert len(skipped) > 100
class Folder: pass
folder = Folder()
weakref.finalize(folder, print, "finalizer")
atexit.register(print, "handler")
"""


def test_a_process_that_measures_nothing_skips_torchs_exit_handlers_and_runs_its_own() -> None:
    answer = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) == {"finalizer", "handler"}
    assert not answer.stderr
