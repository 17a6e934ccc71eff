"""Steps become cells: on which device, with which batch, and how they are run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from segbench.cards.model import find_models
from segbench.cells.executor import LocalExecutor
from segbench.cells.jobs import single_jobs
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.tasks import TASKS
from segbench.search.runner import search_jobs
from segbench.studies.duration import estimate_duration
from segbench.studies.planning import NOTHING_RUNS, StudyStage, kind_of, stage_of
from segbench.studies.study import Kind
from segbench.studies.table2 import BATCH, LARGEST_BATCH_CONDITIONS, TABLE2, steps

CPU, CARD = Device("cpu", "Test CPU"), Device("cuda:0", "NVIDIA V100", 34 * 10**9)
MODELS = find_models(["unet", "hrnetv2"])


def stages(where: Device, entries: list[Entry] | None = None) -> dict[str, StudyStage]:
    return {step.task: stage_of(step, MODELS, where, entries or [], LocalExecutor()) for step in steps(kind_of(where))}


@pytest.mark.parametrize(
    ("where", "tasks"),
    [
        (NOTHING_RUNS, ["predict", "max_batch", "params"]),
        (CPU, ["predict", "max_batch", "params", "latency", "epoch"]),
        (CARD, ["memory", "max_batch", "params", "latency", "epoch"]),
    ],
)
def test_what_is_asked_depends_on_the_device(where: Device, tasks: list[str]) -> None:
    assert list(stages(where)) == tasks


def test_without_a_card_memory_is_predicted_at_the_papers_batch() -> None:
    stage = stages(CPU)["predict"]
    assert {(cell.case.device, cell.case.batch_size) for cell in stage.cells} == {("none", BATCH)}
    assert [cell.case.modes for cell in stage.cells[:2]] == [("train",), ("infer",)]
    assert stage.jobs_of is single_jobs


def test_a_card_is_searched_and_timed_in_rounds() -> None:
    found = stages(CARD)
    assert {cell.case.device for cell in found["memory"].cells} == {"cuda:0"}
    assert found["max_batch"].jobs_of is search_jobs
    assert found["latency"].cells[0].case.options.target == 0.01


def test_an_epoch_waits_for_the_largest_batch_and_then_takes_it(make_entry: Callable[..., Entry]) -> None:
    waiting = stages(CARD)["epoch"]
    assert (waiting.cells, waiting.waiting) == ([], ("unet", "hrnetv2"))
    case = Case(
        "max_batch", "unet", device="cuda:0", modes=("train",), budget_bytes=LARGEST_BATCH_CONDITIONS["budget_bytes"]
    )
    known, other, inference = (
        make_entry("unet", Measurement("max_batch", value, "measured:cuda"), case=asked)
        for value, asked in (
            (33, case),
            (11, replace(case, budget_bytes=10**10)),
            (99, replace(case, modes=("infer",))),
        )
    )
    ready = stages(CARD, [known, other, inference])["epoch"]
    assert [(cell.model.name, cell.case.batch_size) for cell in ready.cells] == [("unet", 33)]
    assert ready.waiting == ("hrnetv2",)


def test_the_same_step_has_the_same_keys_every_time() -> None:
    keys = [[cell.key for stage in stages(NOTHING_RUNS).values() for cell in stage.cells] for _ in range(2)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(keys[0])


@pytest.mark.parametrize(("where", "kind"), [(NOTHING_RUNS, "none"), (CPU, "cpu"), (CARD, "cuda")])
def test_kinds_of_devices(where: Device, kind: Kind) -> None:
    assert kind_of(where) == kind


def test_the_whole_table_asks_every_network() -> None:
    models = find_models(list(TABLE2.models))
    assert {model.name for model in models} >= {"segnode-paper", "hrnetv2+checkpoint"}


def test_an_empty_ledger_is_estimated_by_rule() -> None:
    found = estimate_duration(stages(NOTHING_RUNS)["predict"], [])
    assert found.seconds == 4 * TASKS["predict"].seconds["none"]
    assert (found.todo, found.held, found.basis) == (4, 0, "by rule")


def test_earlier_cells_tell_better_and_held_cells_cost_nothing(make_entry: Callable[..., Entry]) -> None:
    stage = stages(NOTHING_RUNS)["predict"]
    first, other = stage.cells[0], stage.cells[1]
    held = make_entry("unet", case=first.case, key=first.key, seconds=5.0)
    alike = make_entry("unet", case=replace(other.case, seed=1), key="another", seconds=7.0)
    found = estimate_duration(stage, [held, alike])
    assert (found.todo, found.held, found.known) == (3, 1, 1)
    assert found.seconds == 7.0 + 2 * TASKS["predict"].seconds["none"]
    assert found.basis == "1 as earlier cells took, 2 by rule"
    assert estimate_duration(stage, [held, alike], fresh=True).todo == 4


def test_networks_that_wait_for_their_batch_are_counted_in() -> None:
    assert estimate_duration(stages(CARD)["epoch"], []).seconds == 2 * TASKS["epoch"].seconds["cuda"]
