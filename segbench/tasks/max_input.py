"""Predicts the largest input that fits a budget, by replaying both sides of the answer; no GPU is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from segbench.estimate.largest import largest_in_proportion
from segbench.estimate.log import StorageLog
from segbench.records.axis import InputAxis
from segbench.records.case import Case, Json
from segbench.tasks.max_batch import allocator_limit, bracket_rows, two_amounts
from segbench.tasks.predict import batch_of, traced_step
from segbench.tasks.protocol import Reporter

HIGHEST_INPUT = 2048
"""Sizes higher than 16384 pixels are not looked at."""
FIRST_INPUT = 64
"""The size traced first: 512 pixels high."""


def run(case: Case, report: Reporter) -> None:
    """Reports, for each of the case's modes, the largest input of the case's aspect and the one that does not fit.

    Where a larger input fits by luck though a smaller one does not, one of several such pairs is reported: see
    `largest_in_proportion`.
    """
    axis, limit = InputAxis(case.width, case.height), allocator_limit(case)
    for number, mode in enumerate(case.modes):
        trace = _tracer(case, mode, axis)
        found = largest_in_proportion(trace, limit, range(1, HIGHEST_INPUT + 1), FIRST_INPUT, axis.pixels)
        fits = None if found.fits is None else axis.pixels(found.fits)
        fails_at = None if found.fails_at is None else axis.pixels(found.fails_at)
        line = [(axis.pixels(size), trace(size).peak[1]) for size in two_amounts(FIRST_INPUT, found)]
        answers = {"max_input_pixels": found.fits, "max_input_fails_at_pixels": found.fails_at}
        for row in bracket_rows(fits, fails_at, mode, found, line, case):
            report.measured(replace(row, factors=_factors(axis, answers[row.quantity])))
        report.progress(mode, number + 1, len(case.modes))


def _factors(axis: InputAxis, size: int | None) -> dict[str, Json]:
    return {} if size is None else dict(zip(("width", "height"), axis.size(size), strict=True))


def _tracer(case: Case, mode: str, axis: InputAxis) -> Callable[[int], StorageLog]:
    @cache
    def trace(number: int) -> StorageLog:
        width, height = axis.size(number)
        return traced_step(replace(case, width=width, height=height), mode, batch_of(case, mode)).log

    return trace
