"""Which of a ledger's numbers stand in a cell, where several were predicted under other assumptions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions, PredictOptions
from segbench.studies.readings import Readings, assumed_throughout, predicted_under

Make = Callable[..., Entry]
PEAK = "train_peak_reserved_bytes"


@pytest.fixture
def predicted(make_entry: Make) -> Make:
    def make(model: str, value: float, **assumed: object) -> Entry:
        case = Case("predict", model, device="none", options=PredictOptions.parse(assumed))
        return make_entry(model, Measurement(PEAK, value, "predicted", mode="train"), case=case)

    return make


def test_a_command_sees_only_what_was_predicted_as_it_asked(predicted: Make) -> None:
    entries = [predicted("unet", 2), predicted("unet", 1, workspaces="none"), predicted("unet", 3, assume_torch="1.8")]
    for asked, value in (({}, 2), ({"workspaces": "none"}, 1), ({"assume_torch": "1.8"}, 3)):
        kept = predicted_under(entries, asked)
        assert len(kept) == 1
        found = Readings(kept).best("unet", PEAK)
        assert found is not None and found.value == value
        assert assumed_throughout(kept) == asked


def test_of_a_ledger_that_mixes_them_those_of_most_networks_count(predicted: Make) -> None:
    old = [predicted(model, 1, workspaces="none") for model in ("unet", "pspnet")]
    entries = [*old, predicted("unet", 2)]
    found = Readings(entries).best("unet", PEAK)
    assert found is not None and found.value == 1
    assert assumed_throughout(entries) == {"workspaces": "none"}


def test_a_search_on_a_gpu_counts_whatever_its_start_assumed(make_entry: Make, predicted: Make) -> None:
    told = Assumptions(workspaces="upper", assume_torch="1.8", cublas_bytes=1, context_bytes=2)
    case = Case("max_batch", "unet", device="cuda:0", modes=("train",), options=told)
    entries = [make_entry("unet", Measurement("max_batch", 7, "measured:cuda", mode="train"), case=case)]
    entries.append(predicted("unet", 1))
    found = Readings(entries).best("unet", "max_batch", {"nfe": 14, "context_bytes": 500})
    assert found is not None and found.value == 7
    assert entries[0] in predicted_under(entries, {})
    assert assumed_throughout(entries) == {}
