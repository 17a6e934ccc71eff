"""Counting falls back to the CPU for networks that cannot be built or run without data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segbench.errors import CardError
from segbench.records.case import Case
from segbench.tasks import memory, params, predict
from segbench.workload.images import SCENES

if TYPE_CHECKING:
    from tests.tasks.conftest import Collected

READS_A_VALUE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
        self.layer = nn.Conv2d(3, classes, 1)

    def forward(self, images):
        return self.layer(images)
"""


def test_a_builder_that_reads_values_is_counted_on_the_cpu(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text(READS_A_VALUE)
    case = Case("params", f"{tmp_path}/net.py:Net", width=8, height=4, classes=2, modes=("infer",))
    params.run(case.with_options(crosscheck=False), report)
    macs = report.rows["macs"]
    assert (macs.value, macs.detail["counted_on"]) == (8 * 4 * 3 * 2, "cpu")
    assert "counted on the CPU" in report.notes[0]


def test_without_execution_a_builder_that_reads_values_is_counted_all_the_same(
    tmp_path: Path, report: Collected
) -> None:
    (tmp_path / "net.py").write_text(READS_A_VALUE)
    case = Case("params", f"{tmp_path}/net.py:Net", width=8, height=4, classes=2, modes=("infer",))
    params.run(case.with_options(crosscheck=False, execute=False), report)
    assert (report.rows["macs"].value, report.rows["macs"].detail["counted_on"]) == (8 * 4 * 3 * 2, "meta")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("segnode-w8?solver=dopri5", "does not run without numbers"),
        ("segnode-points-slim", "how much it computes depends on the image"),
    ],
)
def test_without_execution_what_depends_on_data_is_left_to_the_command_that_runs_it(
    model: str, why: str, report: Collected
) -> None:
    case = Case("params", model, width=64, height=48, modes=("infer",))
    params.run(case.with_options(crosscheck=False, execute=False), report)
    assert report.rows["parameters"].value and report.rows["macs"].value is None
    cause = str(report.rows["macs"].cause)
    assert why in cause and f"try segbench params -m {model} --input 64x48, which runs it" in cause


def test_a_builder_that_is_broken_everywhere_is_the_users_mistake(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text("def Net(): raise ValueError('no')\n")
    with pytest.raises(CardError, match="ValueError: no"):
        params.run(Case("params", f"{tmp_path}/net.py:Net", modes=("infer",)), report)


VIT = """
import torch
from torch import nn

class Vit(nn.Module):
    def __init__(self, classes, width=32):
        super().__init__()
        drops = [float(rate) for rate in torch.linspace(0, 0.1, 2)]
        self.stem = nn.Conv2d(3, width, 8, 8)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=drop, batch_first=True) for drop in drops
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images):
        maps = self.stem(images)
        tokens = maps.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.head(tokens.transpose(1, 2).reshape(maps.shape))
"""


def test_a_transformer_that_must_be_counted_on_the_cpu_counts_its_attention(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text(VIT)
    case = Case("params", f"{tmp_path}/net.py:Vit", width=96, height=64, modes=("infer",))
    params.run(case.with_options(crosscheck=False), report)
    macs = report.rows["macs"]
    assert (macs.value, macs.detail["counted_on"]) == (3_376_128, "cpu")
    assert not macs.detail["counters"][0]["disagrees"]


OWN_OPERATOR = """
import torch
from torch import nn

@torch.library.custom_op("segbench_tests::own_product", mutates_args=())
def own_product(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return nn.functional.conv2d(images, weight)

@own_product.register_fake
def _(images, weight):
    return images.new_empty(images.shape[0], weight.shape[0], *images.shape[2:])

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(classes, 3, 1, 1))

    def forward(self, images):
        return own_product(images, self.weight)
"""


def test_an_operator_of_the_networks_own_is_named(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text(OWN_OPERATOR)
    case = Case("params", f"{tmp_path}/net.py:Net", width=8, height=4, modes=("infer",))
    params.run(case.with_options(crosscheck=False), report)
    assert report.rows["macs"].value == 0
    assert any("segbench_tests.own_product 1" in note and "not in its MACs" in note for note in report.notes)


FROZEN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 64, 3, 4, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))
        self.backbone.requires_grad_(False)
        self.head = nn.Conv2d(64, classes, 1)

    def forward(self, images):
        return self.head(self.backbone(images))
"""


@pytest.mark.parametrize("task", [params, memory, predict])
def test_frozen_parameters_count_and_are_told_apart(task: Any, tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text(FROZEN)
    name = task.__name__.rpartition(".")[2]
    case = Case(name, f"{tmp_path}/net.py:Net", width=16, height=8, classes=11, modes=("infer",), warmup=0)
    task.run(case.with_options(crosscheck=False) if task is params else case, report)
    assert (report.rows["parameters"].value, report.rows["trainable_parameters"].value) == (39_435, 715)
    assert any("39,435 parameters (715 trainable)" in note for note in report.notes)


def blocks(task: str, **changes: Any) -> Case:
    """A small SegBlocks on two blocks; fewer classes than the street scenes have, which does not matter."""
    case = Case(task, "segblocks-small", width=128, height=64, classes=2, modes=("infer",), **changes)
    return case.with_arguments(width=4, decoder_width=9, policy_width=4)


def test_a_cost_that_depends_on_the_image_is_the_mean_over_real_scenes(report: Collected) -> None:
    params.run(blocks("params", seed=3).with_options(crosscheck=False), report)
    macs = report.rows["macs"]
    assert len(macs.samples) == SCENES
    assert len(set(macs.samples)) > 1
    assert macs.value == round(sum(macs.samples) / SCENES)
    assert sum(macs.detail["kinds"].values()) == sorted(macs.samples)[SCENES // 2]
    spread = macs.detail["scenes"]
    assert min(macs.samples) <= spread["p5"] <= spread["mean"] <= spread["p95"] <= max(macs.samples)
    assert not macs.detail["counters"][0]["disagrees"]
    assert "depends on the image (here of synthetic, test): MACs are the mean of 8 images" in report.notes[0]


def test_memory_that_depends_on_the_image_says_so(report: Collected) -> None:
    memory.run(blocks("memory", warmup=0), report)
    assert any("so does its peak; these are random numbers" in note for note in report.notes)
