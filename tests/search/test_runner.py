"""Searches with a fake device in place of children."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from segbench.cells.cell import Listener, Result
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import USUAL_CONTEXT, Assumptions
from segbench.search.runner import Search
from segbench.units import GB, MB

CASE = Case(
    task="max_batch",
    model="unet",
    device="cuda:0",
    modes=("train",),
    budget_bytes=32 * GB,
    options=Assumptions(context_bytes=0),
)


@dataclass
class FakeDevice:
    """Needs `fixed` and `each` bytes an image; reports 450 MB of context; refuses beyond its budget, context apart.

    Attributes:
        cache: bytes that its allocator keeps beyond the need where its limit allows.
        unrest: bytes that the context grows by from try to try.
    """

    fixed: int = 500 * MB
    each: int = 800 * MB
    predicted: int | None = 38
    ends: dict[int, str] = field(default_factory=dict)
    retries_at: int | None = None
    tried: list[Case] = field(default_factory=list)
    context: int = 450 * MB
    cache: int = 0
    unrest: int = 0

    def __call__(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        if case.device == "none":
            return self._prediction(case)
        assert case.task == "memory"
        self.tried.append(case)
        return self._measured(case, case.batch_size)

    def _prediction(self, case: Case) -> Result:
        if self.predicted is None:
            return self._end(case, "failed", "no such thing")
        line = [[2, self.fixed + 2 * self.each], [4, self.fixed + 4 * self.each]]
        row = Measurement("max_batch", self.predicted, "predicted", mode="train", detail={"line": line})
        return self._end(case, "ok", None, row)

    def _measured(self, case: Case, size: int) -> Result:
        if size in self.ends:
            return self._end(case, self.ends[size], "as arranged")
        needed = self.fixed + self.each * size
        limit = (case.budget_bytes or 0) - case.options.context_bytes
        self.context += self.unrest
        if needed > limit:
            return self._end(case, "does_not_fit", "CUDA out of memory")
        reserved = min(needed + self.cache, limit)
        detail = {"allocator_retries": 3 if size == self.retries_at else 0}
        rows = [
            Measurement("parameters", 31_000_000, "counted"),
            Measurement("train_peak_reserved_bytes", reserved, "measured:cuda", mode="train", detail=detail),
            Measurement("train_peak_process_bytes", reserved + self.context, "measured:nvml", mode="train"),
        ]
        return self._end(case, "ok", None, *rows)

    @staticmethod
    def _end(case: Case, outcome: str, cause: str | None, *rows: Measurement) -> Result:
        return Result(case, outcome, cause, None, rows, 1.0)


def searched(device: FakeDevice, case: Case = CASE) -> tuple[Result, dict[str, Measurement]]:
    (result,) = Search(case).run(device, 60.0, lambda *_: None)
    return result, {item.quantity: item for item in result.measurements}


def test_a_search_starts_at_the_prediction_and_proves_both_sides() -> None:
    device = FakeDevice()
    result, rows = searched(device)
    # 32 GB hold 0.5 + 0.45 of context and 0.8 an image: 38 exactly.
    assert (rows["max_batch"].value, rows["max_batch_fails_at"].value) == (38, 39)
    assert rows["max_batch"].method == "measured:cuda"
    assert rows["parameters"].value == 31_000_000
    assert result.outcome == "ok"
    assert [case.batch_size for case in device.tried] == [38, 39]


@pytest.mark.parametrize("predicted", [35, 42])
def test_a_prediction_ten_percent_off_costs_at_most_two_tries_more(predicted: int) -> None:
    device = FakeDevice(predicted=predicted)
    _, rows = searched(device)
    assert rows["max_batch"].value == 38
    assert len(device.tried) <= 4


def test_the_context_counts_against_the_budget_once_it_is_known() -> None:
    """The allocator alone would take 39: 31.7 GB, but the process then holds 32.15."""
    device = FakeDevice(predicted=39)
    _, rows = searched(device)
    assert (rows["max_batch"].value, rows["max_batch_fails_at"].value) == (38, 39)
    assert rows["max_batch"].detail["context_bytes"] == 450 * MB
    assert device.tried[-1].options.context_bytes == 450 * MB


def test_a_size_refused_under_a_context_assumed_too_large_is_tried_again_under_the_real_one() -> None:
    """39 need 31.5 GB: more than 32 less the usual 524 MB, but no more than 32 less the real 450."""
    device = FakeDevice(each=795 * MB, predicted=39)
    _, rows = searched(device, CASE.with_options(context_bytes=USUAL_CONTEXT))
    assert (rows["max_batch"].value, rows["max_batch_fails_at"].value) == (39, 40)
    tried = [(case.batch_size, case.options.context_bytes) for case in device.tried]
    assert (39, USUAL_CONTEXT) in tried and (39, 450 * MB) in tried
    assert rows["max_batch"].detail["proof"] == "tried in fresh processes"


def test_a_size_refused_by_the_processs_bytes_fits_where_the_allocator_can_do_with_less() -> None:
    """39 need 31.4 GB, and the allocator keeps 0.3 more unless its limit is the right one."""
    device = FakeDevice(fixed=200 * MB, cache=300 * MB, predicted=39)
    _, rows = searched(device)
    assert (rows["max_batch"].value, rows["max_batch_fails_at"].value) == (39, 40)
    assert rows["max_batch"].detail["used"]["process"] <= 32 * GB


def test_a_context_that_never_rests_ends_the_search_without_calling_its_answer_proven() -> None:
    device = FakeDevice(fixed=200 * MB, cache=900 * MB, unrest=10 * MB, predicted=39)
    _, rows = searched(device)
    assert rows["max_batch"].detail["proof"].startswith("not proven")
    fails_at = rows["max_batch_fails_at"].value
    assert sum(case.batch_size == fails_at for case in device.tried) == 3


def test_without_a_prediction_it_gallops() -> None:
    device = FakeDevice(predicted=None)
    _, rows = searched(device)
    assert rows["max_batch"].value == 38
    assert device.tried[0].batch_size == 1


def test_if_nothing_fits_there_is_no_value_but_a_reason() -> None:
    result, rows = searched(FakeDevice(fixed=40 * GB))
    assert rows["max_batch"].value is None
    assert rows["max_batch"].outcome == "does_not_fit"
    assert "1 does not fit" in (rows["max_batch"].cause or "")
    assert rows["max_batch_fails_at"].value == 1
    assert result.outcome == "ok", "the question is answered"


@pytest.mark.parametrize("end", ["timed_out", "crashed", "failed"])
def test_a_try_without_an_answer_leaves_what_was_proven_and_says_where_it_stopped(end: str) -> None:
    result, rows = searched(FakeDevice(ends={39: end}))
    assert result.outcome == end
    assert result.cause == "batch 39: as arranged"
    assert rows["max_batch"].value == 38
    assert rows["max_batch_fails_at"].value is None


def test_a_size_that_runs_by_retries_is_reported_as_such() -> None:
    _, rows = searched(FakeDevice(retries_at=38))
    assert rows["max_batch"].detail["used"]["retries"] == 3


def test_inputs_are_searched_along_sizes_of_one_aspect() -> None:
    class Pixels(FakeDevice):
        def _prediction(self, case: Case) -> Result:
            line = [[100, 10**6], [200, 2 * 10**6]]
            detail: dict[str, Any] = {"line": line}
            return self._end(case, "ok", None, Measurement("max_input_pixels", 172_800, "predicted", detail=detail))

        def _measured(self, case: Case, size: int) -> Result:
            return super()._measured(case, case.width * case.height)

    case = Case(task="max_input", model="unet", device="cuda:0", modes=("infer",), budget_bytes=32 * GB).with_options(
        context_bytes=0
    )
    device = Pixels(fixed=0, each=100_000)  # 320 000 pixels
    _, rows = searched(device, case)
    assert rows["max_input_pixels"].value is not None
    assert rows["max_input_pixels"].value <= 320_000 < (rows["max_input_fails_at_pixels"].value or 0)
    assert all(tried.height % 8 == 0 and abs(tried.width / tried.height - 4 / 3) < 0.02 for tried in device.tried)
    assert rows["max_input_pixels"].factors["width"] == 8 * 81
