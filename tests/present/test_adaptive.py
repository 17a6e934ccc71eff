from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.present.adaptive import adaptive_tables, verdict_sentence
from segbench.present.adaptive_points import ShownVerdict, ways_of, whole_of
from segbench.present.figures import save_figure
from segbench.present.figures_adaptive import adaptive_figure
from segbench.present.page.adaptive_viewer import depth_views, depths_of
from segbench.present.terminal import least_width
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.report import report_of

Make = Callable[..., Entry]
WAYS = (
    ("stage=1", "fixed", 0.5, 1e8),
    ("stage=2", "fixed", 0.6, 2e8),
    ("share>0.5", "policy", 0.59, 1.5e8),
    ("oracle", "oracle", 0.7, 1.2e8),
)
SAVED = {"value": 0.25, "low": 0.2, "high": 0.3}
COST = {"p50": 1e8, "p95": 2e8, "worst": 3e8, "saved": SAVED}


def score(name: str, kind: str, value: float, **detail: Any) -> Measurement:
    ends = {"spread_low": value - 0.02, "spread_high": value + 0.02}
    return Measurement(
        "miou", value, "measured:host", factors={"policy": name}, detail={"kind": kind, **detail}, **ends
    )


def of_way(name: str, kind: str, miou: float, macs: float) -> Iterator[Measurement]:
    detail: dict[str, Any] = {"images": 8, "depths": {"a": {"depth": "D", "labels": "L"}}}
    if name == "stage=2":
        detail |= {"pictures": {"a": {"photo": "P", "truth": "T"}}, "depth_legend": {"stage 1": [1, 2, 3]}}
        detail |= {"static": False, "trained_for_s": 60.0}
    yield score(name, kind, miou, **detail)
    yield Measurement("macs", macs, "counted", "infer", factors={"policy": name}, detail=COST)
    if kind != "oracle":
        times = {"mean": macs / 1e10, "p50": 0.01, "p95": 0.02, "worst": 0.03, "saved": SAVED}
        factors = {"policy": name, "batch_size": 1}
        yield Measurement("latency_s", 0.01, "measured:host", "infer", factors=factors, detail=times)


@pytest.fixture
def judged(make_entry: Make) -> Entry:
    return entry_of(make_entry)


def entry_of(make_entry: Make, dataset: str = "synthetic", kind: str = "operations") -> Entry:
    against = {name: {"value": 0.01, "low": 0.005, "high": 0.02} for name in ("fixed exits", "permuted")}
    detail = {"verdict": kind, "images": 4, "against": against, "simulated": "it is masked"}
    factors, ends = {"policy": "share>0.5"}, {"spread_low": 0.2, "spread_high": 0.3}
    rows = [row for way in WAYS for row in of_way(*way)]
    rows += [
        score("permuted share>0.5", "permuted", 0.55, of="share>0.5"),
        Measurement("macs_saved", 0.25, "counted", factors=factors, detail=detail, **ends),
        Measurement("miou_drop", 0.01, "measured:host", spread_low=-0.01, spread_high=0.03, factors=factors),
        Measurement("miou_difference", -0.02, "measured:host", spread_low=-0.03, spread_high=-0.01, factors=factors),
    ]
    case = Case("adaptive", "mess-small", dataset=dataset, split="val")
    return make_entry("mess-small", *rows, case=case, key=f"adaptive-{dataset}")


def static_of(make_entry: Make) -> Entry:
    rows = [
        score("stage=1", "fixed", 0.8, images=8, static=True, trained_for_s=60.0),
        Measurement("macs", 3e8, "counted", "infer", factors={"policy": "stage=1"}, detail=COST),
    ]
    return make_entry("unet-w8", *rows, case=Case("adaptive", "unet-w8", dataset="synthetic", split="val"), key="unet")


def test_tables_of_ways_and_their_times_of_networks_of_verdicts_and_of_their_grounds(
    judged: Entry, make_entry: Make
) -> None:
    ways, times, networks, verdicts, grounds = adaptive_tables([judged, static_of(make_entry)])
    assert [row[0].text for row in ways.rows] == ["stage=1", "stage=2", "share>0.5", "oracle"]
    assert ways.cells["share>0.5", "mIoU permuted"].text == "55.0 %"
    assert [row[0].text for row in times.rows] == ["stage=1", "stage=2", "share>0.5"]
    assert times.cells["share>0.5", "time saved, batch 1"].text == "25.0 ±5.0 %"
    assert [[cell.text for cell in row[:4]] for row in networks.rows] == [
        ["mess-small", "all stages", "60.0 %", "200 M"],
        ["mess-small", "share>0.5", "59.0 %", "150 M"],
        ["unet-w8", "static", "80.0 %", "300 M"],
    ]
    assert [row[1].text for row in verdicts.rows] == ["only operations"]
    assert grounds.cells["mess-small", "grid shift"].text == "-2.0 (-3.0 to -1.0)"
    assert max(map(least_width, (ways, times, networks, verdicts, grounds))) <= 100


def test_what_lies_on_the_front_is_at_least_as_cheap_and_accurate(judged: Entry, make_entry: Make) -> None:
    networks = adaptive_tables([judged, static_of(make_entry)])[2]
    assert [row[-1].text for row in networks.rows] == ["MACs time", "MACs time", "MACs"]


AROUND, UNSURE = (0.25, 0.2, 0.3), (0.0, -0.01, 0.01)
BOTH = {"fixed exits": AROUND, "permuted": AROUND}


def verdict(kind: str, time: tuple[float, float, float] | None = None, **changed: Any) -> ShownVerdict:
    usual = ShownVerdict(kind, "p", 4, None, BOTH, AROUND, time, AROUND)
    return replace(usual, **changed)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (verdict("nothing", policy=None), "saves nothing: no threshold saves operations"),
        (
            verdict("nothing", against={**BOTH, "fixed exits": UNSURE}),
            "saves nothing beyond a fixed exit: p saves 25.0 % (20.0 % to 30.0 %) of the operations, and against fixed"
            " exits at the same cost its mIoU differs by 0.0 points (-1.0 to +1.0)",
        ),
        (verdict("nothing", against={**BOTH, "permuted": UNSURE}), "against its own decisions dealt to other images"),
        (verdict("operations", simulated="masked"), "it is simulated here: masked"),
        (
            verdict("operations", time=(-0.1, -0.2, 0.1)),
            "saves only operations: p saves 25.0 % (20.0 % to 30.0 %) of the operations at a drop of +25.0 points of"
            " mIoU, and -10.0 % (-20.0 % to 10.0 %) of the time",
        ),
        (verdict("operations", time=AROUND), "a fixed exit of the same time matches"),
        (verdict("time", time=AROUND), "saves time: p saves 25.0 %"),
    ],
)
def test_a_verdict_is_one_sentence_with_its_ground(verdict: ShownVerdict, expected: str) -> None:
    assert expected in verdict_sentence("net", verdict)


def test_a_failed_cell_has_its_reason_in_the_table(make_entry: Make) -> None:
    case = Case("adaptive", "mess-small", dataset="synthetic", split="val")
    entry = make_entry("mess-small", case=case, key="failed", outcome="failed", cause="the reason")
    assert adaptive_tables([entry])[0].rows[0][0].text == "failed: the reason"


def test_where_there_is_no_verdict_or_no_time_the_table_says_why(make_entry: Make) -> None:
    rows = [*of_way(*WAYS[0]), *of_way(*WAYS[1]), Measurement("macs_saved", None, "counted", cause="too few images")]
    rows.append(Measurement("latency_s", None, "measured:host", cause="simulated: masked"))
    few = make_entry("mess-small", *rows, case=Case("adaptive", "mess-small"), key="few")
    ways, _, networks = adaptive_tables([few])
    assert [*ways.notes[-2:]] == ["no time: simulated: masked", "too few images"] and len(networks.rows) == 1


def test_the_figure_has_every_point_and_permuted_ones_at_their_policys_time(judged: Entry, tmp_path: Path) -> None:
    figure = adaptive_figure([judged])
    assert figure is not None
    points = {row[2]: row for row in figure.rows}
    assert points["share>0.5"][1:3] == ["policy", "share>0.5"]
    assert points["share>0.5"][3:6] == pytest.approx([0.15, 15, 59])
    assert (points["permuted share>0.5"][4], points["oracle"][4]) == (pytest.approx(15), None)
    assert all(path.stat().st_size for path in save_figure(figure, tmp_path))
    assert adaptive_figure([]) is None


def test_each_of_many_networks_has_a_colour_of_its_own_in_the_figure(judged: Entry) -> None:
    entries = [replace(judged, model=f"network-{number}") for number in range(12)]
    figure = adaptive_figure(entries)
    assert figure
    networks = figure.draw(figure.rows).legends[1].get_patches()
    assert len({patch.get_facecolor() for patch in networks}) == 12


def test_the_viewer_shows_policies_from_the_cheapest_on(judged: Entry) -> None:
    (view,) = depth_views([judged])
    assert view.label == "mess-small, synthetic val" and view.photos == {"a": "P"}
    assert [way.name for way in view.ways] == ["stage=1", "oracle", "share>0.5", "stage=2"]
    assert depths_of(view.ways[0]) == {"a": {"depth": "D", "labels": "L"}} and view.legend == {"stage 1": "rgb(1 2 3)"}


def test_images_of_real_data_are_not_shown_whatever_the_ledger_holds(make_entry: Make) -> None:
    assert depth_views([entry_of(make_entry, "camvid")]) == []


def test_a_report_has_tables_figure_and_viewer(judged: Entry) -> None:
    report = report_of([judged], "t")
    assert len(report.tables) == 5
    assert [figure.name for figure in report.figures] == ["adaptive"] and len(report.depths) == 1


def test_the_whole_network_is_the_last_stage(judged: Entry) -> None:
    whole = whole_of(ways_of(judged))
    assert whole is not None and whole.name == "stage=2"
