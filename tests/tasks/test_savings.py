from __future__ import annotations

from pathlib import Path

import pytest

from segbench.errors import UserError
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import savings
from segbench.tasks.savings import run


class Listener:
    def __init__(self) -> None:
        self.rows: list[Measurement] = []
        self.notes: list[str] = []

    def measured(self, measurement: Measurement) -> None:
        self.rows.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def value(self, quantity: str, method: str) -> float:
        (row,) = (row for row in self.rows if (row.quantity, row.method) == (quantity, method))
        assert row.value is not None
        return row.value


def heard(switch: str = "", device: str = "none", model: str = "unet?width=4&levels=3") -> Listener:
    listener = Listener()
    run(Case("savings", f"{model}{switch}", device=device, width=64, height=48, batch_size=2), listener)
    return listener


def test_without_a_device_memory_is_predicted_and_gradients_are_measured_on_small_images() -> None:
    plain, found = heard(), heard("+checkpoint")
    peak = "train_peak_reserved_bytes"
    assert found.value(peak, "predicted") <= plain.value(peak, "predicted")
    assert found.value("train_peak_live_bytes", "predicted") < plain.value("train_peak_live_bytes", "predicted")
    assert found.value("gradient_relative_error", "measured:host") == plain.value("extra_macs", "counted") == 0
    assert 0.5 < found.value("extra_macs", "counted") <= 1
    (error,) = (row for row in found.rows if row.quantity == "gradient_relative_error")
    assert error.factors == {"width": 64, "height": 64, "batch_size": 2}


def test_on_a_device_memory_and_time_are_measured_and_the_prediction_is_for_that_device() -> None:
    found = heard("+compress:8bit", "cpu")
    predicted, real = (found.value("train_peak_live_bytes", method) for method in ("predicted", "measured:host"))
    assert predicted == pytest.approx(real, rel=1e-3)
    assert found.value("train_step_s", "measured:host") > 0


def test_what_cannot_be_predicted_says_so_and_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UserError("operator own::filter has no rule")

    monkeypatch.setattr(savings, "traced_step", refuse)
    found = heard(device="cpu")
    (row,) = (row for row in found.rows if row.method == "predicted")
    assert (row.value, row.cause) == (None, "not predicted: operator own::filter has no rule")
    assert found.value("train_peak_live_bytes", "measured:host") > 0


@pytest.mark.parametrize(
    ("switch", "cause"),
    [("+reversible", "finds nothing to change"), ("+checkpoint:budget=1kB", "the least that is possible here")],
)
def test_what_a_network_refuses_is_an_answer(switch: str, cause: str) -> None:
    (row,) = heard(switch).rows
    assert (row.value, row.outcome) == (None, "unsupported")
    assert cause in str(row.cause)


FIXED = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Conv2d(4, classes, 1))

    def forward(self, images):
        assert images.shape[2:] == (48, 64)
        return super().forward(images)
"""


def test_a_network_of_a_fixed_size_is_compared_on_images_of_that_size(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FIXED)
    found = heard("+checkpoint", model=f"{tmp_path / 'net.py'}:Net")
    (error,) = (row for row in found.rows if row.quantity == "gradient_relative_error")
    assert (error.value, error.factors) == (0, {"width": 64, "height": 48, "batch_size": 2})


def test_a_budget_tells_what_it_became() -> None:
    (note,) = heard("+checkpoint:budget=100%").notes
    assert "recomputes no module" in note


def test_a_network_that_cannot_be_built_is_the_users_mistake() -> None:
    with pytest.raises(UserError):
        heard(model="unet?width=-1")
