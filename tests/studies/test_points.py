"""Networks on axes of cost and accuracy: like with like, and the best-filled conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from segbench.cards.naming import told_apart
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.points import networks_table, pareto_of

Make = Callable[..., Entry]


def memory(make_entry: Make, model: str, size: float, batch: int) -> Entry:
    row = Measurement("train_peak_reserved_bytes", size, "predicted", mode="train")
    return make_entry(model, row, case=Case("predict", model, device="none", batch_size=batch, modes=("train",)))


def test_an_axis_has_the_conditions_most_networks_share(make_entry: Make) -> None:
    entries = [memory(make_entry, name, 1e9, 24) for name in ("unet", "hrnetv2")]
    pareto = pareto_of([*entries, memory(make_entry, "segnode", 1e9, 1)])
    (axis,) = pareto.axes
    assert axis.label == "training memory, 480x360, batch 24, predicted"
    assert [spot.network for spot in pareto.spots] == ["unet", "hrnetv2"]


def test_training_and_inference_batches_of_two_budgets_share_no_column(make_entry: Make) -> None:
    def largest(model: str, mode: str, budget: int) -> Entry:
        case = Case("max_batch", model, device="none", modes=(mode,), budget_bytes=budget)
        return make_entry(model, Measurement("max_batch", 9, "predicted", mode=mode), case=case)

    entries = [largest("unet", "train", 32 * 2**30), largest("hrnetv2", "train", 32 * 2**30)]
    (axis,) = pareto_of([*entries, largest("segnode", "infer", 24 * 2**30)]).axes
    assert (axis.title, axis.conditions) == ("largest batch", "480x360, training within 32.0 GiB, predicted")


def test_the_largest_batch_is_trainings_whichever_was_found_first(make_entry: Make) -> None:
    def largest(mode: str) -> Entry:
        case = Case("max_batch", "a", device="none", modes=(mode,))
        return make_entry("a", Measurement("max_batch", 9, "predicted", mode=mode), case=case)

    for modes in (("train", "infer"), ("infer", "train")):
        [axis] = pareto_of([largest(mode) for mode in modes]).axes
        assert "training" in axis.conditions


def test_epochs_of_different_numbers_of_images_share_no_column(timed: Callable[..., Entry]) -> None:
    entries = [timed(name, "epoch_s", 1.0) for name in ("unet", "hrnetv2")]
    step = timed("segnode", "epoch_s", 0.1)
    pareto = pareto_of([*entries, replace(step, case=step.case.with_options(images=16))])
    assert [spot.network for spot in pareto.spots] == ["unet", "hrnetv2"]


def test_changed_arguments_make_another_network(make_entry: Make) -> None:
    row = Measurement("parameters", 1e6, "counted")
    entry = make_entry("segnode", row, case=Case("params", "segnode", (("steps", 8),), modes=("infer",)))
    assert pareto_of(told_apart([entry])).spots[0].network == "segnode steps=8"


def test_every_data_set_is_an_axis_of_accuracy(make_entry: Make) -> None:
    def score(dataset: str) -> Entry:
        case = Case("evaluate", "segnode-w8", dataset=dataset, split="val", modes=("infer",))
        return make_entry("segnode-w8", Measurement("miou", 0.5, "measured:host"), case=case)

    axes = pareto_of([score("camvid"), score("synthetic")]).axes
    assert [axis.label for axis in axes] == [
        "mIoU, camvid val, 480x360 (higher is better)", "mIoU, synthetic val, 480x360 (higher is better)"
    ]  # fmt: skip


def test_what_was_asked_differently_shares_no_column(make_entry: Make) -> None:
    def score(model: str, **asked: str) -> Entry:
        case = Case("evaluate", model, dataset="camvid", split="val", modes=("infer",)).with_options(**asked)
        return make_entry(model, Measurement("miou", 0.5, "measured:host"), case=case)

    def timed(model: str, **changes: bool) -> Entry:
        row = Measurement("latency_s", 0.5, "measured:host", mode="infer")
        return make_entry(model, row, case=Case("latency", model, modes=("infer",), **changes))

    axes = pareto_of([score("unet", protocol="single"), score("segnode", protocol="flip", scales="0.5,1")]).axes
    assert [axis.label.partition(" (")[0] for axis in axes] == [
        "mIoU, camvid val, 480x360", "mIoU, camvid val, 480x360, protocol=flip, scales=0.5,1"
    ]  # fmt: skip
    pareto = pareto_of([timed("unet"), timed("hrnetv2"), timed("segnode", channels_last=True, compile=True)])
    assert [spot.network for spot in pareto.spots] == ["unet", "hrnetv2"]
    assert [axis.label for axis in pareto.axes] == ["latency, 480x360, batch 1, Test CPU, 1 thread"]


def test_half_solved_networks_have_no_place(make_entry: Make) -> None:
    row = Measurement("miou", 0.5, "measured:host", factors={"t_end": 0.5})
    entry = make_entry("segnode-w8", row, case=Case("trajectory", "segnode-w8", dataset="synthetic"))
    assert pareto_of([entry]).spots == []


def test_live_bytes_are_an_axis_only_where_nothing_was_reserved(make_entry: Make) -> None:
    def entry(model: str, *names: str) -> Entry:
        rows = [Measurement(name, 1e9, "measured:host", mode="train") for name in names]
        return make_entry(model, *rows, case=Case("memory", model, modes=("train",)))

    on_cpu = pareto_of([entry("unet", "train_peak_live_bytes")])
    assert [axis.key for axis in on_cpu.axes] == ["train_peak_live_bytes"]
    both = pareto_of([entry("unet", "train_peak_live_bytes", "train_peak_reserved_bytes")])
    assert [axis.key for axis in both.axes] == ["train_peak_reserved_bytes"]


def test_a_rows_own_conditions_come_before_its_cases(make_entry: Make) -> None:
    factors = {"width": 480, "height": 360, "batch_size": 24}
    rows = [
        Measurement("train_peak_live_bytes", 1e9, "predicted", mode="train", factors=factors),
        Measurement("train_step_s", 1.5, "measured:host", mode="train"),
    ]
    entry = make_entry("unet", *rows, case=Case("benchmark", "unet", width=240, height=180, batch_size=2))
    assert [axis.label for axis in pareto_of([entry]).axes] == [
        "training memory, live, 480x360, batch 24, predicted", "training step, 240x180, batch 2, Test CPU, 1 thread"
    ]  # fmt: skip


def test_the_table_shows_a_dash_where_a_network_was_not_asked(make_entry: Make) -> None:
    entries = [memory(make_entry, "unet", 2**30, 24), memory(make_entry, "hrnetv2", 2**31, 24)]
    counted = make_entry("unet", Measurement("parameters", 31e6, "counted"), case=Case("params", "unet"))
    table = networks_table(pareto_of([*entries, counted]))
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["unet", "1.00 GiB", "31.00 M"], ["hrnetv2", "2.00 GiB", "-"]
    ]  # fmt: skip


def test_an_empty_ledger_has_no_axes(make_entry: Make) -> None:
    assert pareto_of([]).axes == []
    assert networks_table(pareto_of([])) is None
