"""Predicts the largest input that fits a budget, by replaying both sides of the answer; no GPU is needed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from segbench.estimate.affine import Traces
from segbench.estimate.largest import largest_size
from segbench.estimate.log import StorageLog
from segbench.records.axis import InputAxis
from segbench.records.case import Case, Json
from segbench.tasks.max_batch import allocator_limit, bracket_rows, line_of
from segbench.tasks.predict import Tracer, batch_of
from segbench.tasks.protocol import Reporter

HIGHEST_INPUT = 2048
"""Sizes higher than 16384 pixels are not looked at."""
FIRST_INPUT = 64
"""The size traced first: 512 pixels high."""


def run(case: Case, report: Reporter) -> None:
    """Reports, for each of the case's modes, the largest input of the case's aspect and the one that does not fit.

    Where a larger input fits by luck though a smaller one does not, one of several such pairs is reported: see
    `largest_size`.
    """
    axis = InputAxis(case.width, case.height)
    for number, mode in enumerate(case.modes):
        traces = Traces(partial(_traced, Tracer(), case, mode, axis), axis.pixels)
        found = largest_size(traces, allocator_limit(case), range(1, HIGHEST_INPUT + 1), FIRST_INPUT)
        fits = None if found.fits is None else axis.pixels(found.fits)
        fails_at = None if found.fails_at is None else axis.pixels(found.fails_at)
        answers = {"max_input_pixels": found.fits, "max_input_fails_at_pixels": found.fails_at}
        for row in bracket_rows(fits, fails_at, mode, found, line_of(traces, FIRST_INPUT, found), case):
            report.measured(replace(row, factors=_factors(axis, answers[row.quantity])))
        report.progress(mode, number + 1, len(case.modes))


def _factors(axis: InputAxis, size: int | None) -> dict[str, Json]:
    return {} if size is None else dict(zip(("width", "height"), axis.size(size), strict=True))


def _traced(tracer: Tracer, case: Case, mode: str, axis: InputAxis, number: int) -> StorageLog:
    width, height = axis.size(number)
    return tracer.step(replace(case, width=width, height=height), mode, batch_of(case, mode)).log
