from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.errors import CheckpointError, UserError
from segbench.learning.checkpoint import Checkpoint, save_checkpoint
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks.adaptive import run
from segbench.zoo.dynamic_routing import DynamicRouting
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.segnode import SegNode

SEGNODE: dict[str, Any] = {"widths": [4, 8, 8, 8], "stem": 4, "modules": 1, "blocks": 1, "steps": 2}
FACTS = {"model": "tiny", "classes": 11, "seconds": 60.0, "data": {"dataset": "synthetic", "fingerprint": "other"}}


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
        rows = [row for row in self.rows if row.quantity == quantity]
        return [row for row in rows if all(row.factors.get(name) == value for name, value in factors.items())]


def trained(
    folder: Path, network: torch.nn.Module, arguments: dict[str, Any], images: int = 16, **options: Json
) -> Case:
    """Small streets and an untrained network."""
    builder = f"{type(network).__module__}:{type(network).__name__}"
    written = "\n".join(f"{name} = {value}" for name, value in arguments.items())
    (folder / "tiny.toml").write_text(f'title = "tiny"\nbuilder = "{builder}"\n[arguments]\n{written}\n')
    save_checkpoint(Checkpoint(network.state_dict(), FACTS), folder / "best.safetensors")
    streets = f"synthetic:size=64x64,count={images}"
    case = Case("adaptive", str(folder / "tiny.toml"), width=64, height=64, dataset=streets, split="val", infer_batch=2)
    return case.with_options(checkpoint=str(folder / "best.safetensors"), **{"pictures": 1, **options})


@pytest.fixture
def case(tmp_path: Path) -> Case:
    torch.manual_seed(0)
    return trained(tmp_path, SegNode(**SEGNODE), SEGNODE, policies=("change", "state<1"))


def test_every_policy_and_control_is_reported_and_judged(case: Case, tmp_path: Path) -> None:
    heard = Listener()
    run(case.with_options(depth=str(tmp_path / "depth.png")), heard)
    kinds = {row.factors["policy"]: row.detail["kind"] for row in heard.of("miou")}
    assert {"stage=1": "fixed", "stage=2": "fixed", "state<1": "policy", "oracle": "oracle"}.items() <= kinds.items()
    policies = {name for name, kind in kinds.items() if kind == "policy"}
    assert {f"permuted {name}" for name in policies} == {name for name, kind in kinds.items() if kind == "permuted"}
    for batch in (1, 2):
        timed = {row.factors["policy"]: row for row in heard.of("latency_s", batch_size=batch)}
        assert set(timed) == {"stage=1", "stage=2", *policies}
        assert all(len(row.samples) == 16 / batch and "saved" in row.detail for row in timed.values())
    assert [row.factors["policy"] for row in heard.of("calibration_error")] == ["stage=1", "stage=2"]
    (judged,) = heard.of("macs_saved")
    assert judged.detail["verdict"] in ("time", "operations", "nothing") and judged.detail["images"] == 8
    assert (tmp_path / "depth.png").is_file()
    whole, policy = heard.of("miou", policy="stage=2")[0].detail, heard.of("miou", policy="state<1")[0].detail
    assert list(whole["pictures"]) == list(policy["depths"]) and list(whole["depth_legend"]) == ["stage 1", "stage 2"]
    assert (whole["static"], whole["trained_for_s"]) == (False, 60.0)


def test_a_state_that_may_move_by_its_whole_length_ends_at_the_first_stage(case: Case) -> None:
    heard = Listener()
    run(case.with_options(policies=("state<1",)), heard)
    policy, first = (heard.of("macs", policy=name)[0] for name in ("state<1", "stage=1"))
    assert policy.value == first.value and heard.of("miou", policy="state<1")[0].detail["stages"] == {"1": 16}


def test_a_lattice_of_paths_is_painted_and_has_an_oracle_that_costs_no_more_than_the_whole(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"layers": 2, "width": 8}
    case, heard = trained(tmp_path, DynamicRouting(**arguments), arguments, images=2), Listener()
    run(case.with_options(depth=str(tmp_path / "depth.png"), policies=("signal<0.5",), timed=False), heard)
    oracle, whole = (heard.of("macs", policy=name)[0].value or 0 for name in ("oracle", "stage=4"))
    assert 0 < oracle <= whole and (tmp_path / "depth.png").is_file()
    assert "3 paths" in heard.of("miou", policy="stage=4")[0].detail["depth_legend"]


def test_a_few_images_give_everything_but_a_verdict(case: Case) -> None:
    heard = Listener()
    run(case.with_options(images=15, policies=("state<1",)), heard)
    (judged,) = heard.of("macs_saved")
    assert judged.value is None and "it would rest on 7 of 15 images" in (judged.cause or "")
    assert heard.of("miou", policy="permuted state<1") and not heard.of("miou_drop")


def test_a_static_network_beside_others_is_one_point(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "widths": [4, 4, 4, 4],
        "modules": [1, 1, 1],
        "blocks": 1,
        "stem": 4,
        "stage1_width": 4,
    }
    case = trained(tmp_path, HRNetV2(**arguments), arguments, images=2)
    heard = Listener()
    run(case.with_options(alone=False), heard)
    (point,) = heard.of("miou")
    assert point.detail["static"] and len(heard.of("macs")) == 1 and len(heard.of("latency_s")) == 2
    assert not heard.of("macs_saved")
    with pytest.raises(UserError, match="has no exits and decides nothing"):
        run(case, Listener())


@pytest.mark.parametrize(
    ("simulated", "timed", "cause"),
    [("blocks are masked", True, "simulated: blocks are masked"), (None, False, "--no-time was given")],
)
def test_where_there_is_no_time_its_row_says_why(
    case: Case, monkeypatch: pytest.MonkeyPatch, simulated: str | None, timed: bool, cause: str
) -> None:
    monkeypatch.setattr(SegNode, "simulated", simulated)
    heard = Listener()
    run(case.with_options(policies=("state<1",), timed=timed), heard)
    (row,) = heard.of("latency_s")
    assert (row.value, row.cause) == (None, cause)
    (judged,) = heard.of("macs_saved")
    assert judged.detail["simulated"] == simulated and judged.detail["verdict"] != "time"


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [("share>2", "a number from 0 to 1"), ("patience", "is no policy"), ("signal<0", "is not for SegNode")],
)
def test_a_policy_that_cannot_be_is_refused(case: Case, policy: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run(case.with_options(policies=(policy,)), Listener())


def test_a_checkpoint_trained_without_the_exits_is_refused(case: Case, tmp_path: Path) -> None:
    weights = {name: value for name, value in SegNode(**SEGNODE).state_dict().items() if "exit" not in name}
    save_checkpoint(Checkpoint(weights, FACTS), tmp_path / "best.safetensors")
    with pytest.raises(CheckpointError, match=r"trained without exit\.outlets"):
        run(case, Listener())
