"""A trajectory made by hand: three end times, two drawn images of 8x6 pixels."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import pytest
from PIL import Image

from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement


def png(colour: int) -> str:
    content = io.BytesIO()
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def _bounded(name: str, value: float, factors: dict[str, object], detail: dict[str, object]) -> Measurement:
    low, high = value - 0.05, value + 0.05
    return Measurement(name, value, "measured:host", spread_low=low, spread_high=high, factors=factors, detail=detail)


@pytest.fixture
def trajectory(make_entry: Callable[..., Entry]) -> Callable[..., Entry]:
    """An entry as the task `trajectory` leaves it, on a data set."""

    def make(dataset: str = "synthetic", frames: bool = True) -> Entry:
        rows: list[Measurement] = []
        for step in range(3):
            factors = {"t_end": step / 2, "steps": step}
            detail: dict[str, object] = {"knob": "time"}
            if frames:
                detail["frames"] = {f"test/{n}": {"labels": png(10 * step + n), "miou": 0.1 * step} for n in range(2)}
            if frames and step == 0:
                detail["pictures"] = {f"test/{n}": {"photo": png(100 + n), "truth": png(200)} for n in range(2)}
            rows += [
                _bounded("miou", 0.2 * step, factors, detail),
                _bounded("miou_error", 1 - 0.2 * step, factors, {}),
                Measurement("miou_drop", 0.4 - 0.2 * step, "measured:host", factors=factors),
                Measurement("nfe_forward", step, "counted", "infer", factors=factors),
                Measurement("macs", 10**9 * step, "counted", "infer", factors=factors),
                Measurement("latency_s", 0.01 * (step + 1), "measured:host", "infer", factors=factors),
                Measurement("pixels_changed", 0.4 - 0.2 * step, "measured:host", factors=factors),
            ]
        case = Case("trajectory", "segnode-w8", dataset=dataset, split="test", modes=("infer",))
        return make_entry("segnode-w8", *rows, case=case, key=f"trajectory-{dataset}")

    return make
