"""A log that goes on where a checkpoint stands, and its picture."""

from __future__ import annotations

from PIL import Image

from segbench.learning.curve import plot_curve
from segbench.learning.log import TrainingLog, read_log


def row(step: int, **scores: float) -> dict[str, float | int]:
    return {
        "step": step,
        "epoch": step / 2,
        "seconds": 1.5 * step,
        "lr": 0.1,
        "loss": 1 / step,
        "images_per_s": 9,
        **scores,
    }


def test_rows_come_back_and_absent_scores_are_empty(tmp_path):
    log = TrainingLog(tmp_path / "runs" / "log.csv", ["miou"])
    log.add(row(1))
    log.add(row(2, miou=0.25))
    rows = read_log(log.path)
    assert [item["miou"] for item in rows] == ["", "0.25"]
    assert rows[1]["loss"] == "0.5" and rows[1]["step"] == "2"


def test_a_continued_log_drops_what_the_checkpoint_does_not_know(tmp_path):
    log = TrainingLog(tmp_path / "log.csv", ["miou"])
    for step in (10, 20, 30):
        log.add(row(step))
    again = TrainingLog(tmp_path / "log.csv", ["miou"], after=20)
    again.add(row(30, miou=0.5))
    assert [(item["step"], item["miou"]) for item in read_log(log.path)] == [("10", ""), ("20", ""), ("30", "0.5")]


def test_a_new_log_starts_empty(tmp_path):
    TrainingLog(tmp_path / "log.csv", ["miou"]).add(row(1))
    TrainingLog(tmp_path / "log.csv", ["miou"])
    assert read_log(tmp_path / "log.csv") == []


def test_a_row_that_was_never_finished_is_dropped(tmp_path):
    log = TrainingLog(tmp_path / "log.csv", ["miou"])
    log.add(row(1))
    with log.path.open("a") as file:
        file.write("2,1,")
    assert [item["step"] for item in read_log(log.path)] == ["1"]


def test_large_step_numbers_are_written_in_full(tmp_path):
    log = TrainingLog(tmp_path / "log.csv", [])
    log.add(row(1_234_567))
    assert read_log(log.path)[0]["step"] == "1234567"


def test_a_curve_is_drawn_of_a_full_and_of_an_empty_log(tmp_path):
    log = TrainingLog(tmp_path / "log.csv", ["miou"])
    plot_curve(log.path, "miou", "empty", tmp_path / "empty.png")
    log.add(row(1))
    log.add(row(2, miou=0.25))
    plot_curve(log.path, "miou", "full", tmp_path / "full.png")
    for name in ("empty", "full"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.width > 300
