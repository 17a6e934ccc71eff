from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.errors import CheckpointError, UserError
from segbench.learning.checkpoint import Checkpoint, save_checkpoint
from segbench.meters.clocks import GpuState
from segbench.meters.energy import Energy
from segbench.meters.latency import Inference
from segbench.meters.sampling import Timing
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import trajectory
from segbench.tasks.timed import Timed
from segbench.tasks.trajectory import run
from segbench.zoo.segnode import SegNode

CARD = """
title = "tiny"
builder = "segbench.zoo.segnode:SegNode"
[arguments]
widths = [4, 8, 8, 8]
stem = 4
modules = 1
blocks = 1
"""
FACTS = {"model": "tiny", "classes": 11, "data": {"dataset": "synthetic", "split": "train", "fingerprint": "other"}}


class Listener:
    def __init__(self) -> None:
        self.rows: list[Measurement] = []
        self.notes: list[str] = []

    def measured(self, measurement: Measurement) -> None:
        self.rows.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def of(self, quantity: str, **factors: Json) -> list[Measurement]:
        return [
            row
            for row in self.rows
            if row.quantity == quantity and all(row.factors.get(name) == value for name, value in factors.items())
        ]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Two small synthetic streets and an untrained network."""
    return trained(tmp_path)


def trained(folder: Path, facts: dict[str, Any] = FACTS, spoil: bool = False, **options: Json) -> Case:
    card = folder / "tiny.toml"
    card.write_text(CARD)
    torch.manual_seed(0)
    network = SegNode(widths=(4, 8, 8, 8), stem=4, modules=1, blocks=1)
    if spoil:
        for weight in network.ode.f.parameters():
            weight.data.fill_(float("inf"))
    save_checkpoint(Checkpoint(network.state_dict(), facts), folder / "best.safetensors")
    case = Case("trajectory", str(card), width=64, height=64, dataset="synthetic:size=64x64,count=2", split="val")
    return case.with_options(**{"checkpoint": str(folder / "best.safetensors"), "pictures": 1, **options})


def test_every_end_has_every_quantity_and_the_factors_that_tell_it_apart(case: Case, tmp_path: Path) -> None:
    heard = Listener()
    run(case.with_options(strip=str(tmp_path / "strip.png")), heard)
    ends = [(row.factors["t_end"], row.factors["steps"]) for row in heard.of("miou")]
    assert ends == [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4), (1.0, 1), (1.0, 2), (1.0, 8)]
    for name in ("miou_error", "miou_drop", "miou_image_mean", "pixels_changed", "macs", "nfe_forward"):
        assert len(heard.of(name)) == 8, name
    assert heard.of("latency_s") == [], "times are the other part's"
    assert len(heard.of("state_speed")) == 5
    assert [row.value for row in heard.of("nfe_forward")] == [0, 1, 2, 3, 4, 1, 2, 8]
    last = heard.of("miou", t_end=1.0, steps=4)[0]
    assert last.spread_low is not None and last.value is not None and last.spread_low <= last.value
    assert heard.of("miou_drop", t_end=1.0, steps=4)[0].value == 0
    assert heard.of("pixels_changed", t_end=1.0, steps=4)[0].value == 0
    assert (tmp_path / "strip.png").is_file()


def test_the_timed_part_tells_the_time_of_every_end_and_nothing_else(case: Case) -> None:
    heard = Listener()
    run(case.with_options(part="timed", round_min_runs=3, round_max_runs=3, round_seconds=0.01, images=1), heard)
    assert {row.quantity for row in heard.rows} == {"latency_s"} and heard.notes == []
    ends = [(row.factors["t_end"], row.factors["steps"]) for row in heard.rows]
    assert ends == [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4), (1.0, 1), (1.0, 2), (1.0, 8)]
    assert all(len(row.samples) == 3 and row.factors["batch_size"] == 1 for row in heard.rows)
    assert all("others_cores" in row.detail and row.warmup for row in heard.rows)


def test_the_time_is_that_of_one_image_of_the_batch(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(calls: Sequence[Inference], *_: object) -> list[Timed]:
        assert all(call.labels.shape == (3, 64, 64) for call in calls)
        return [Timed((9.0,), True, (Timing(6.0),), ((),), Energy(None, 0.0, ""), 0.0, GpuState()) for _ in calls]

    monkeypatch.setattr(trajectory, "take_turns", fake)
    heard = Listener()
    run(replace(case, infer_batch=3).with_options(part="timed", times=(1.0,), steps=()), heard)
    (row,) = heard.rows
    assert (row.value, row.samples, row.warmup, row.factors["batch_size"]) == (2.0, (2.0,), (3.0,), 3)


def test_pictures_travel_with_synthetic_scores_as_the_reports_viewer_reads_them(case: Case) -> None:
    heard = Listener()
    run(case, heard)
    first, *others = [row.detail for row in heard.of("miou") if row.detail["knob"] == "time"]
    (name,) = first["pictures"]
    assert name.startswith("synthetic/val-")
    assert all(set(detail["frames"][name]) == {"labels", "miou"} for detail in (first, *others))


def test_rules_are_judged_by_three_controls_and_their_cost_is_a_distribution(case: Case) -> None:
    heard = Listener()
    run(case.with_options(stop=("change<0.05", "oracle"), times=(1.0,)), heard)
    for name in ("change<0.05", "oracle<0.005"):
        (score,) = heard.of("miou", t_end=name)
        assert set(score.detail["against"]) == {"shorter", "coarser", "permuted"}
        assert sum(score.detail["stops"]) == 2 and score.factors["steps"] == 4
        (macs,), (latency,) = heard.of("macs", t_end=name), heard.of("latency_s", t_end=name)
        assert {"p50", "p95", "worst", "saved"} <= set(macs.detail) & set(latency.detail)
        assert "in one process" in latency.detail["timed"]
    assert len(heard.of("miou", steps=3)) == 1, "a rule brings the whole grid with it"


def test_an_end_beyond_t_is_measured_with_a_warning(case: Case) -> None:
    heard = Listener()
    run(case.with_options(times=(0.5, 1.5), steps=()), heard)
    assert [row.factors["steps"] for row in heard.of("miou")] == [2, 4, 6]
    assert any("1.5 lie beyond T = 1: extrapolated" in note for note in heard.notes)


def test_an_adaptive_solver_has_steps_accepted_and_rejected(case: Case) -> None:
    heard = Listener()
    run(case.with_arguments(solver="dopri5", rtol=0.1, atol=0.1).with_options(times=(0.5,)), heard)
    assert len(heard.of("solver_accepted_steps")) == len(heard.of("solver_rejected_steps")) == 2
    with pytest.raises(UserError, match="needs a fixed grid"):
        run(case.with_arguments(solver="dopri5").with_options(stop=("change",)), Listener())


def test_a_state_that_is_not_finite_is_named_with_its_time(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not finite at t = 0\.25"):
        run(trained(tmp_path, spoil=True), Listener())


def test_a_checkpoint_of_another_network_is_refused(case: Case, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CARD.replace("modules = 1", "modules = 2"))
    with pytest.raises(CheckpointError, match="made for tiny and trained without"):
        run(case, Listener())


def test_a_checkpoint_of_another_data_set_is_noted_and_of_other_classes_refused(tmp_path: Path) -> None:
    heard = Listener()
    run(trained(tmp_path, {**FACTS, "data": {"dataset": "camvid"}}, steps=(), times=(1.0,)), heard)
    assert any("trained on camvid" in note for note in heard.notes)
    with pytest.raises(CheckpointError, match="19"):
        run(trained(tmp_path, {**FACTS, "classes": 19}), Listener())


def test_a_network_without_trajectory_is_refused(case: Case, tmp_path: Path) -> None:
    text = 'title = "unet"\nbuilder = "segbench.zoo.unet:UNet"\n[arguments]\nwidth = 4\n'
    (tmp_path / "tiny.toml").write_text(text)
    from segbench.zoo.unet import UNet

    save_checkpoint(Checkpoint(UNet(width=4).state_dict(), FACTS), tmp_path / "best.safetensors")
    with pytest.raises(UserError, match="UNet has no trajectory"):
        run(case, Listener())


def test_networks_with_several_blocks_have_a_trajectory_but_no_single_state(case: Case, tmp_path: Path) -> None:
    from segbench.zoo.unode import UNode

    arguments = 'width = 4\nlevels = 2\nsolver = "euler"\ngradient = "backprop"\nsteps = 2\n'
    (tmp_path / "tiny.toml").write_text(
        f'title = "unode"\nbuilder = "segbench.zoo.unode:UNode"\n[arguments]\n{arguments}'
    )
    network = UNode(width=4, levels=2, solver="euler", gradient="backprop", steps=2)
    save_checkpoint(Checkpoint(network.state_dict(), FACTS), tmp_path / "best.safetensors")
    heard = Listener()
    run(case, heard)
    assert [row.value for row in heard.of("nfe_forward")] == [0, 3, 6, 3, 12], "three blocks in series"
    (cause,) = {row.cause for row in heard.of("state_speed")}
    assert cause and "3 ODE blocks" in cause


def test_part_of_the_images_can_be_taken(case: Case) -> None:
    heard = Listener()
    run(case.with_options(images=1, steps=(), times=(1.0,)), heard)
    assert heard.of("miou")[0].detail["images"] == 1
