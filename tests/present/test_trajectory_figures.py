from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from segbench.errors import UserError
from segbench.present.trajectory_figures import draw_curves, draw_error, trajectory_curves
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement


def entry(make_entry: Callable[..., Entry], model: str) -> Entry:
    rows = []
    for step, miou in enumerate((0.3, 0.5, 0.6)):
        for t_end, steps, knob in ((step / 2, step, "time"), (1.0, step + 3, "steps")):
            factors, detail = {"t_end": t_end, "steps": steps}, {"knob": knob}
            rows.append(Measurement("miou", miou, "measured:host", factors=factors, detail=detail))
            for name, value in (("latency_s", 0.01 * (step + 1)), ("nfe_forward", step), ("miou_error", 1 - miou)):
                rows.append(Measurement(name, value, "counted", factors=factors, detail=detail))
            rows.append(Measurement("pixels_changed", 0.1 * (2 - step), "measured:host", factors=factors))
    return make_entry(model, *rows)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_every_network_has_its_colour_and_both_figures_are_written(
    make_entry: Callable[..., Entry], tmp_path: Path
) -> None:
    curves = trajectory_curves([entry(make_entry, "a"), entry(make_entry, "b"), make_entry("failed")])
    assert [item.name for item in curves] == ["a", "b"]
    assert curves[0].colour != curves[1].colour
    draw_curves(curves, "synthetic val", tmp_path / "new" / "curve.png")
    draw_error(curves, "synthetic val", tmp_path / "new" / "error.png")
    assert min(*size(tmp_path / "new" / "curve.png"), *size(tmp_path / "new" / "error.png")) > 300


def test_a_place_that_cannot_be_written_is_named(make_entry: Callable[..., Entry], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another place with -o"):
        draw_curves(trajectory_curves([entry(make_entry, "a")]), "", tmp_path / "file" / "curve.png")
