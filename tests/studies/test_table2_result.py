"""Table 2 judged: verdicts of known ledgers, what stands in their way, orders, definitions and floors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.present.table import Table
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import PredictOptions
from segbench.studies.catalogue import paper_cards
from segbench.studies.table2 import LARGEST_BATCH_CONDITIONS, OURS, TABLE2_COLUMNS, TABLE2_ROWS
from segbench.studies.table2_result import memory_definitions, table2, time_floors

Make = Callable[..., list[Entry]]


def judged(entries: list[Entry]) -> Table:
    return table2(entries, paper_cards())


def verdict(table: Table, model: str, column: str) -> str | None:
    judgement = table.cells[model, column].judgement
    return judgement.verdict if judgement else None


def order(table: Table, column: str) -> str:
    """The verdict on the order of a column's networks."""
    return table.footer[[item.key for item in table.columns].index(column)].verdict


def test_an_empty_ledger_gives_the_whole_table_with_the_papers_numbers_and_every_verdict_missing() -> None:
    table = judged([])
    assert len(table.cells) == (len(TABLE2_ROWS) + len(OURS)) * len(TABLE2_COLUMNS)
    assert table.tally()["missing"] == 36
    cell = table.cells["unet", "test_time"]
    assert (cell.paper and cell.paper.text, cell.standing) == ("4 ms", "published")


def test_the_papers_ratios_at_half_the_memory_are_reproduced(paper_entries: Make) -> None:
    table = judged(paper_entries())
    for model in TABLE2_ROWS:
        if model != "hrnetv2":
            assert verdict(table, model, "train_memory") == "reproduced"
            assert verdict(table, model, "parameters") == "reproduced"
    assert order(table, "train_memory") == "reproduced"


def test_the_yardstick_is_looked_at_in_absolute_values(paper_entries: Make) -> None:
    half = judged(paper_entries())
    assert verdict(half, "hrnetv2", "train_memory") == "not comparable"
    assert "0.50 of the paper's absolute value" in half.cells["hrnetv2", "train_memory"].judgement.why  # type: ignore[union-attr]
    assert verdict(half, "hrnetv2", "max_batch") == "reproduced"


def test_predictions_that_all_assume_an_older_torch_fill_the_table_and_it_says_so(paper_entries: Make) -> None:
    old = [assuming(entry, "1.8") for entry in paper_entries()]
    table = judged(old)
    assert verdict(table, "unet", "train_memory") == "reproduced"
    assert "every prediction assumes torch 1.8" in table.notes
    both = judged([*paper_entries(changes={("unet", "train"): None}), *old])
    assert verdict(both, "unet", "train_memory") == "missing"


def assuming(entry: Entry, release: str) -> Entry:
    if entry.case.task == "params":
        return entry
    return replace(entry, key=f"{entry.key}-{release}", case=entry.case.with_options(assume_torch=release))


def test_networks_of_ours_stand_beside_the_paper_without_a_verdict(paper_entries: Make) -> None:
    cell = judged(paper_entries()).cells["segnode", "train_memory"]
    assert cell.judgement is None
    assert cell.ratio == pytest.approx(4.2 / 15.55)


def test_the_other_side_of_hrnetv2_is_contradicted(paper_entries: Make) -> None:
    table = judged(paper_entries(changes={("segnode-paper", "train"): 20.0}))
    assert verdict(table, "segnode-paper", "train_memory") == "contradicted"
    assert order(table, "train_memory") != "reproduced"


def test_a_number_without_the_yardsticks_has_no_ratio(paper_entries: Make) -> None:
    table = judged(paper_entries(changes={("hrnetv2", "train"): None}))
    assert verdict(table, "unet", "train_memory") == "missing"


def test_times_of_another_card_are_judged_by_their_ratio(timed: Callable[..., Entry]) -> None:
    entries = [timed("hrnetv2", "latency_s", 0.010), timed("segnode-paper", "latency_s", 0.024)]
    assert verdict(judged(entries), "segnode-paper", "test_time") == "reproduced"


def test_times_of_a_cpu_are_not_comparable_and_the_order_neither(timed: Callable[..., Entry]) -> None:
    entries = [timed(model, "latency_s", place + 1.0, cuda=False) for place, model in enumerate(TABLE2_ROWS)]
    table = judged(entries)
    assert {verdict(table, model, "test_time") for model in TABLE2_ROWS} == {"not comparable"}
    assert "Test CPU" in table.cells["unet", "test_time"].judgement.why  # type: ignore[union-attr]
    assert order(table, "test_time") == "not comparable"


def test_an_epoch_of_another_number_of_images_is_not_the_papers(timed: Callable[..., Entry]) -> None:
    epoch = timed("hrnetv2", "epoch_s", 18.0, batch=24)
    assert judged([epoch]).cells["hrnetv2", "epoch_time"].value == 18.0
    step = replace(epoch, case=epoch.case.with_options(images=16))
    assert judged([step]).cells["hrnetv2", "epoch_time"].value is None


def test_an_epoch_is_compared_only_at_the_largest_batch(paper_entries: Make, timed: Callable[..., Entry]) -> None:
    entries = [*paper_entries(), timed("hrnetv2", "epoch_s", 18.0, batch=24), timed("unet", "epoch_s", 10.0, batch=8)]
    table = judged(entries)
    assert verdict(table, "unet", "epoch_time") == "not comparable"
    assert "timed at batch 8" in table.cells["unet", "epoch_time"].judgement.why  # type: ignore[union-attr]


def test_a_search_on_a_smaller_card_found_that_cards_batch(
    make_entry: Callable[..., Entry], environment: Environment
) -> None:
    case = Case(
        "max_batch", "unet", device="cuda:0", budget_bytes=LARGEST_BATCH_CONDITIONS["budget_bytes"], modes=("train",)
    )
    small = replace(environment, device="cuda:0", device_name="NVIDIA T4", device_memory_bytes=16 * 10**9)
    row = Measurement("max_batch", 15, "measured:cuda", mode="train")
    cell = judged([make_entry("unet", row, case=case, environment=small)]).cells["unet", "max_batch"]
    assert cell.judgement is not None
    assert cell.judgement.verdict == "not comparable"
    assert "searched on NVIDIA T4, which has 14.9 GiB of the budget's 31.7 GiB" in cell.judgement.why


def test_a_cell_that_failed_says_why_it_is_missing(make_entry: Callable[..., Entry]) -> None:
    case = Case(
        "max_batch", "unet", device="none", modes=("train",), budget_bytes=LARGEST_BATCH_CONDITIONS["budget_bytes"]
    )
    entry = make_entry("unet", case=case, outcome="crashed", cause="killed by SIGSEGV")
    assert "killed by SIGSEGV" in judged([entry]).cells["unet", "max_batch"].judgement.why  # type: ignore[union-attr]


def test_numbers_under_other_conditions_do_not_count(paper_entries: Make, make_entry: Callable[..., Entry]) -> None:
    row = Measurement("train_peak_reserved_bytes", 10**9, "predicted", mode="train")
    small = make_entry("unet", row, case=Case("predict", "unet", device="none", batch_size=1))
    changed = make_entry("unet", row, case=Case("predict", "unet", (("base", 8),), device="none", batch_size=24))
    assert judged([small, changed]).cells["unet", "train_memory"].value is None


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "none"},
        {"tf32": True},
        {"channels_last": True},
        {"options": PredictOptions(nfe=30)},
        {"options": PredictOptions(context_bytes=1)},
    ],
)
def test_a_cell_beside_plain_rivals_is_plain_itself(make_entry: Callable[..., Entry], changes: dict[str, Any]) -> None:
    row = Measurement("train_peak_reserved_bytes", 10**9, "predicted", mode="train")
    case = Case("predict", "unet", device="none", batch_size=24, optimizer="sgd")
    assert judged([make_entry("unet", row, case=case)]).cells["unet", "train_memory"].value == 10**9
    asked = replace(case, options=PredictionFlags(workspaces="none").options(PredictOptions))
    assert judged([make_entry("unet", row, case=asked)]).cells["unet", "train_memory"].value == 10**9, "as commands ask"
    changed = make_entry("unet", row, case=replace(case, **changes))
    assert judged([changed]).cells["unet", "train_memory"].value is None


def test_a_largest_inference_batch_is_not_the_papers_quantity(make_entry: Callable[..., Entry]) -> None:
    row = Measurement("max_batch", 300, "predicted", mode="infer")
    case = Case(
        "max_batch", "unet", device="none", modes=("infer",), budget_bytes=LARGEST_BATCH_CONDITIONS["budget_bytes"]
    )
    assert judged([make_entry("unet", row, case=case)]).cells["unet", "max_batch"].value is None


def test_a_measured_number_comes_before_a_predicted_one(make_entry: Callable[..., Entry]) -> None:
    def entry(method: str, value: float, task: str, device: str) -> Entry:
        case = Case(task, "unet", device=device, batch_size=24, modes=("train",))
        return make_entry("unet", Measurement("train_peak_reserved_bytes", value, method, mode="train"), case=case)

    both = [entry("measured:cuda", 2e9, "memory", "cuda:0"), entry("predicted", 1e9, "predict", "none")]
    cell = judged(both).cells["unet", "train_memory"]
    assert (cell.value, cell.standing) == (2e9, "measured")


def test_the_definitions_show_the_verdict_each_would_get(make_entry: Callable[..., Entry]) -> None:
    def entry(model: str, live: float, process: float) -> Entry:
        rows = [
            Measurement("train_peak_live_bytes", live, "predicted", mode="train"),
            Measurement("train_peak_process_bytes", process, "predicted", mode="train"),
        ]
        return make_entry(model, *rows, case=Case("predict", model, device="none", batch_size=24, modes=("train",)))

    (table,) = memory_definitions([entry("hrnetv2", 100, 100), entry("segnode-paper", 43, 90)], paper_cards())
    cells = {column: table.cells["segnode-paper", column] for column in ("live", "process", "paper")}
    assert (cells["live"].text, cells["live"].verdict) == ("0.43", "reproduced")
    assert cells["process"].verdict == "contradicted"
    assert cells["paper"].text == "0.43"


def test_four_milliseconds_of_unet_may_be_four_and_a_half(make_entry: Callable[..., Entry]) -> None:
    row = Measurement("macs", 126_870_650_880, "counted", "infer")
    table = time_floors([make_entry("unet", row, case=Case("params", "unet", modes=("infer",)))], paper_cards())
    assert table is not None
    assert [cell.text for cell in table.rows[0]] == [
        "U-Net",
        "127 G",
        "16.2 ms",
        "4.04 ms",
        "4.00 ms",
        "only by Winograd",
    ]
    row = Measurement("macs", 150e9, "counted", "infer")
    table = time_floors([make_entry("unet", row, case=Case("params", "unet", modes=("infer",)))], paper_cards())
    assert table is not None and table.rows[0][-1].text == "impossible"
