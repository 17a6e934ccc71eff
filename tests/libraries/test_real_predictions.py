"""A third of the networks of `benchmarks/library_networks.py`: predicted live bytes are those of a real step."""

from __future__ import annotations

import pytest

from benchmarks.library_networks import EXPLAINED, LIMIT, cases, in_this_process, predicted
from segbench.records.case import Case

pytestmark = pytest.mark.libraries

CHOSEN = [case for case in cases() if not case.model.startswith(tuple(EXPLAINED))][::3]
"""Three is no divisor of the number of conditions or of encoders, so that all of these are among them."""


def live_bytes(case: Case) -> float:
    result = in_this_process(case, 0.0, lambda *_: None)
    assert result.outcome == "ok", result.cause
    return next(item.value or 0 for item in result.measurements if item.quantity == "train_peak_live_bytes")


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.model)
def test_predicted_live_bytes_equal_a_real_training_step(case: Case) -> None:
    assert live_bytes(predicted(case)) == pytest.approx(live_bytes(case), rel=LIMIT)
