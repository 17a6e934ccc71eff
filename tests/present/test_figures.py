"""Figures: their rows decide what is seen, and the same rows give the same files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.present.figures import Figure, figure_csv, save_figure
from segbench.present.figures_memory import breakdown_figure
from segbench.present.figures_pareto import pareto_figure
from segbench.present.figures_ratios import ratios_figure
from segbench.present.page.pareto import Pareto, ParetoAxis, ParetoPoint, ParetoValue
from segbench.present.style import ROLE_COLOURS
from segbench.present.table import Cell, Table, table_of
from segbench.present.timeline import _MOMENTS, memory_lines, timeline_figure
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.statistics.verdicts import Judgement

Make = Callable[..., Entry]


@pytest.fixture
def predicted(make_entry: Make) -> Callable[[str, int], Entry]:
    """A prediction whose memory rises to a single peak at moment 500 of 1000."""

    def make(model: str, peak: int) -> Entry:
        heights = [peak if place == 500 else peak // 2 for place in range(1000)]
        timeline = {
            "moments": [place / 1000 for place in range(1000)],
            "bytes": {role: heights if role == "activations" else [0] * 1000 for role in ROLE_COLOURS},
            "phases": [[0.0, "forward"], [0.5, "backward"]],
        }
        detail = {"breakdown": {"activations": peak}, "timeline": timeline}
        row = Measurement("train_peak_live_bytes", peak, "predicted", mode="train", detail=detail)
        case = Case("predict", model, device="none", batch_size=24, modes=("train",))
        return make_entry(model, row, case=case)

    return make


def test_a_thinned_timeline_keeps_its_peak(predicted: Callable[[str, int], Entry]) -> None:
    (line,) = memory_lines([predicted("unet", 2**30)], "train")
    assert len(line.moments) <= _MOMENTS
    assert max(line.total) == 2**30
    assert line.moments[line.total.index(2**30)] == 0.5
    assert line.phases == ((0.0, "forward"), (0.5, "backward"))


def test_memory_figures_have_a_row_a_role_and_a_row_a_moment(predicted: Callable[[str, int], Entry]) -> None:
    entries = [predicted("unet", 2**30), predicted("segnode", 2**29)]
    parts, line = breakdown_figure(entries), timeline_figure(entries)
    assert parts is not None
    assert line is not None
    assert ["segnode", "activations", 2**29] in parts.rows
    assert len(parts.rows) == 2 * len(ROLE_COLOURS)
    assert line.columns[:2] == ["network", "moment"]


def test_bars_of_another_batch_are_in_no_figure_of_this_one(predicted: Callable[[str, int], Entry]) -> None:
    small = predicted("segnode", 2**20)
    small = replace(small, case=replace(small.case, batch_size=2))
    entries = [small, predicted("unet", 2**30), predicted("segnode", 2**29)]
    parts = breakdown_figure(entries)
    assert parts is not None and "batch 24" in parts.title
    assert ["segnode", "activations", 2**29] in parts.rows
    assert [line.batch for line in memory_lines(entries, "train")] == [24, 24]


def test_without_a_prediction_there_is_no_memory_figure(make_entry: Make) -> None:
    entry = make_entry("unet", Measurement("train_peak_live_bytes", 1, "measured:host", mode="train"))
    assert breakdown_figure([entry]) is None
    assert timeline_figure([entry]) is None


def judged(ratio: float | None) -> Table:
    paper = Cell(0.43, ratio=0.43)
    cell = Cell(ratio, ratio=ratio, paper=paper, judgement=Judgement("same direction", "why"))
    own = Cell(0.3, ratio=0.3 if ratio else None, paper=paper)
    return table_of("T", ["", "training\nmemory"], [["SegNode", cell], ["ours", own]], name="t")


def test_ratios_show_the_papers_number_only_where_it_is_judged() -> None:
    figure = ratios_figure(judged(0.75))
    assert figure is not None
    assert figure.rows == [
        ["training memory", "SegNode", 0.75, 0.43, "same direction"],
        ["training memory", "ours", 0.3, None, "ours"],
    ]


def test_without_a_number_of_ours_there_are_no_ratios() -> None:
    assert ratios_figure(judged(None)) is None


def pareto(*places: tuple[str, float, float]) -> Pareto:
    axes = [
        ParetoAxis("m", "memory", "batch 24", "byte", "lower"),
        ParetoAxis("a", "mIoU", "camvid", "fraction", "higher"),
    ]
    spots = [ParetoPoint(name, {"m": ParetoValue(x, ""), "a": ParetoValue(y, "")}) for name, x, y in places]
    return Pareto(axes, spots, "m", "a")


def test_the_front_is_marked_in_the_rows() -> None:
    figure = pareto_figure(pareto(("small", 2**30, 0.5), ("large", 2**32, 0.6), ("bad", 2**32, 0.4)))
    assert figure is not None
    assert [(row[0], row[3]) for row in figure.rows] == [("small", "yes"), ("large", "yes"), ("bad", "no")]
    assert figure.columns[1:3] == ["memory, batch 24 (GiB)", "mIoU, camvid (higher is better) (%)"]


def test_one_network_is_no_front() -> None:
    assert pareto_figure(pareto(("small", 1, 0.5))) is None
    assert pareto_figure(Pareto()) is None


@pytest.mark.parametrize("name", ["ratios", "pareto", "breakdown", "timeline"])
def test_the_same_rows_give_the_same_files(name: str, tmp_path: Path, predicted: Callable[[str, int], Entry]) -> None:
    figure = {
        "ratios": lambda: ratios_figure(judged(0.75)),
        "pareto": lambda: pareto_figure(pareto(("small", 2**30, 0.5), ("large", 2**32, 0.6))),
        "breakdown": lambda: breakdown_figure([predicted("unet", 2**30)]),
        "timeline": lambda: timeline_figure([predicted("unet", 2**30), predicted("segnode", 2**29)]),
    }[name]()
    assert isinstance(figure, Figure)
    first = [path.read_bytes() for path in save_figure(figure, tmp_path)]
    assert [path.read_bytes() for path in save_figure(figure, tmp_path)] == first
    assert first[1].decode() == figure_csv(figure)
