"""Who measures: an executor takes jobs and says which machine answers; here the one that runs them on this machine."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from segbench.cells.cell import Listener, Result, RunCase, run_in_child
from segbench.cells.child import kill_children
from segbench.cells.jobs import Job
from segbench.devices.choice import title_of
from segbench.records.host import cpu_count, package_version

Results = tuple[Result, ...]


@dataclass(frozen=True)
class Machine:
    """What answers: it is part of every resume key, so that no machine answers for another.

    Attributes:
        device_name: of the GPU or the processor; `none` where nothing runs.
        torch: its version there.
    """

    device_name: str
    torch: str


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a job; `results` is what it had found, of its first cases."""

    def __init__(self, results: Results) -> None:
        super().__init__()
        self.results = results


class Executor(Protocol):
    """Measures jobs somewhere; a context manager that leaves no process behind."""

    def probe(self, device: str, /) -> Machine:
        """The machine that will answer cases of a device (`Case.device`)."""

    def submit(self, job: Job, timeout_s: float, listen: Listener, /) -> Future[Results]:
        """The job's results, one a case in order; they may be there already when this returns.

        Raises:
            Interrupted: Ctrl-C, where the job runs before this returns.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class LocalExecutor:
    """This machine: jobs that must be alone are run one after the other, the others side by side on its cores.

    Args:
        run_case: measures one case; tests give a fake.
        workers: how many jobs may run side by side; None for as many as there are cores.
    """

    def __init__(self, run_case: RunCase = run_in_child, workers: int | None = None) -> None:
        self._run_case = run_case
        self._workers = workers or cpu_count()
        self._pool: ThreadPoolExecutor | None = None

    def probe(self, device: str) -> Machine:
        return Machine(title_of(device), package_version("torch") or "")

    def submit(self, job: Job, timeout_s: float, listen: Listener) -> Future[Results]:
        """A job that must be alone is run before this returns: Ctrl-C then reaches it in the caller's thread."""
        if not job.alone and self._workers > 1:
            self._pool = self._pool or ThreadPoolExecutor(self._workers)
            return self._pool.submit(self._results, job, timeout_s, listen)
        done: Future[Results] = Future()
        done.set_result(self._results(job, timeout_s, listen))
        return done

    def _results(self, job: Job, timeout_s: float, listen: Listener) -> Results:
        found: list[Result] = []
        try:
            for result in job.run(self._run_case, timeout_s, listen):
                found.append(result)  # noqa: PERF402  # one at a time: what came before Ctrl-C is kept
        except KeyboardInterrupt as interrupt:
            raise Interrupted(tuple(found)) from interrupt
        return tuple(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:
            kill_children()
        self._pool.shutdown(cancel_futures=True)
        self._pool = None
