"""What one machine must answer as a whole: a case alone, or cases whose order and processes belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from segbench.cells.cell import Listener, Result, RunCase
from segbench.records.case import Case


class Job(Protocol):
    """Cases for one machine; a frozen dataclass, so that another machine can be sent it."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """What is asked; paths that they name are told by `segbench.cells.places`."""

    @property
    def alone(self) -> bool:
        """Whether nothing else may run on the machine meanwhile."""

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener, /) -> Iterator[Result]:
        """One result a case, in order.

        Args:
            run_case: starts a fresh process.
            timeout_s: of each process.
        """


JobsOf = Callable[[Sequence[Case]], Iterable[Job]]
"""Makes a command's cases into jobs; one that is made late may look at the clock first (`segbench.cells.time_box`)."""


@dataclass(frozen=True)
class Single:
    """One case in one process."""

    case: Case

    @property
    def cases(self) -> tuple[Case, ...]:
        return (self.case,)

    @property
    def alone(self) -> bool:
        device = self.case.device
        return device.startswith("cuda") or (self.case.kind.alone and device != "none")

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        yield run_case(self.case, timeout_s, listen)


def single_jobs(cases: Sequence[Case]) -> list[Job]:
    """Every case on its own."""
    return [Single(case) for case in cases]
