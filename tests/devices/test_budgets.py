from __future__ import annotations

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.devices.budgets import GPU_BUDGETS, parse_budget
from segbench.errors import UserError
from segbench.estimate.overheads import MODERN_CONTEXT
from segbench.records.options import USUAL_CONTEXT, Assumptions
from segbench.units import GIB


def test_an_amount_means_what_it_says() -> None:
    assert parse_budget("32GB").bytes == 32 * 10**9
    assert parse_budget("32GiB").bytes == 32 * 2**30
    assert parse_budget("23.5GiB").name == "23.5GiB"


@pytest.mark.parametrize("text", ["v100-32gb", "V100-32GB", "V100 32GB", " v100_32gb "])
def test_a_card_is_found_however_it_is_typed(text: str) -> None:
    assert parse_budget(text) is GPU_BUDGETS["v100-32gb"]


def test_every_card_offers_less_than_its_box_says_and_names_its_source() -> None:
    boxes = {"v100-32gb": 32, "rtx-4090": 24, "t4": 16, "a100-80gb": 80, "h100-80gb": 80, "h200": 141, "l4": 24}
    for name, gib in boxes.items():
        assert 0.9 * gib * GIB < GPU_BUDGETS[name].bytes < gib * GIB
    assert all("#" in gpu.source or "thundergolfer" in gpu.source for gpu in GPU_BUDGETS.values())


def test_an_unknown_card_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="rtx-4090"):
        parse_budget("rtx-4080")


def test_an_amount_without_a_sensible_unit_is_refused() -> None:
    with pytest.raises(UserError, match="not an amount of memory"):
        parse_budget("32 parsecs")


def test_both_sides_of_the_process_boundary_and_the_flag_take_the_same_context() -> None:
    assert PredictionFlags().options(Assumptions).context_bytes == USUAL_CONTEXT == MODERN_CONTEXT
