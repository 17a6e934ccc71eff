from __future__ import annotations

import json

import pytest

from segbench.errors import UnknownName
from segbench.records.measurement import Measurement
from segbench.records.quantities import QUANTITIES, quantity


def test_a_measurement_survives_the_pipe() -> None:
    item = Measurement("latency_s", 0.5, "measured:host", samples=(0.4, 0.5, 0.6), factors={"t_end": 0.5})
    assert Measurement.from_json(json.loads(json.dumps(item.to_json()))) == item


@pytest.mark.parametrize(("mode", "name"), [("infer", "energy_per_image_j"), ("train", "energy_per_epoch_j")])
def test_the_energy_of_a_ledger_of_0_1_0_has_todays_name(mode: str, name: str) -> None:
    written = {"quantity": "energy_j", "value": 2.5, "method": "measured:nvml", "mode": mode}
    assert Measurement.from_json(written) == Measurement(name, 2.5, "measured:nvml", mode)


def test_the_unit_comes_from_the_table() -> None:
    assert Measurement("train_peak_live_bytes", 1, "predicted").unit == "byte"


def test_a_missing_value_needs_a_cause() -> None:
    with pytest.raises(ValueError, match="needs a cause"):
        Measurement("energy_per_image_j", None, "measured:nvml")


def test_an_unknown_quantity_suggests_near_names() -> None:
    with pytest.raises(UnknownName, match="train_peak_live_bytes"):
        quantity("train_peak_life_bytes")


@pytest.mark.parametrize("change", [{"method": "guessed"}, {"outcome": "fine"}])
def test_methods_and_outcomes_are_closed_lists(change: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Measurement(**{"quantity": "parameters", "value": 1, "method": "counted", **change})  # type: ignore[arg-type]


def test_every_quantity_has_a_meaning_and_a_known_direction() -> None:
    assert all(row.meaning and row.better in ("lower", "higher", "neither") for row in QUANTITIES.values())
