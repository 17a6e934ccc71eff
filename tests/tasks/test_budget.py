"""A budget becomes modules: against every subset of them, traced."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import pytest

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.tasks.budget import settle
from segbench.tasks.predict import predicting, traced_step

NETWORK = """
from torch import nn


class Block(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(layers))

    def forward(self, maps):
        for layer in self.layers:
            maps = layer(maps).sigmoid()
        return maps


class Net(nn.Module):
    def __init__(self, classes=11):
        super().__init__()
        self.entry = nn.Conv2d(3, 8, 1)
        self.blocks = nn.ModuleList(Block(8, layers) for layers in (3, 1, 4, 2))
        self.exit = nn.Conv2d(8, classes, 1)

    def forward(self, images):
        maps = self.entry(images)
        for block in self.blocks:
            maps = block(maps)
        return self.exit(maps)
"""
LAYERS = {"blocks.0": 3, "blocks.1": 1, "blocks.2": 4, "blocks.3": 2}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NETWORK)
    return path


def case(network: Path, switch: str = "") -> Case:
    return Case("memory", f"{network}:Net{switch}", width=64, height=48, batch_size=2)


@cache
def peak(network: Path, names: tuple[str, ...]) -> int:
    switch = f"+checkpoint:{','.join(names)}" if names else ""
    return traced_step(predicting(case(network, switch)), "train", 2).log.peak[1]


def subsets() -> list[tuple[str, ...]]:
    return [
        tuple(name for name, take in zip(LAYERS, taken, strict=True) if take)
        for taken in product([False, True], repeat=len(LAYERS))
    ]


def chosen(text: str) -> tuple[str, ...]:
    _, _, names = text.partition("+checkpoint:")
    return tuple(names.split(",")) if names else ()


@pytest.mark.parametrize("share", [100, 85, 75, 65])
def test_no_subset_that_keeps_the_budget_recomputes_less(network: Path, share: int) -> None:
    budget = peak(network, ()) * share // 100
    names = chosen(settle(case(network, f"+checkpoint:budget={share}%")).case.model)
    possible = [names for names in subsets() if peak(network, names) <= budget]
    assert names in possible
    assert sum(map(LAYERS.__getitem__, names)) == min(sum(map(LAYERS.__getitem__, one)) for one in possible)


def test_nothing_takes_less_than_all_modules_recomputed(network: Path) -> None:
    assert min(peak(network, names) for names in subsets()) == peak(network, tuple(LAYERS))


def test_amounts_are_bytes_and_the_other_switches_stay(network: Path) -> None:
    found = settle(case(network, "+bf16+checkpoint:budget=10GB"))
    assert found.case.model == f"{network}:Net+bf16"
    assert "recomputes no module" in found.sentence


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ("budget=1kB", r"takes 0.0\d+ GB, the least that is possible here, and the budget is 1e-06 GB; raise it or"),
        ("budget=much", "'much' is not an amount of memory"),
    ],
)
def test_what_cannot_be_met_or_read_is_one_sentence(network: Path, switch: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        settle(case(network, f"+checkpoint:{switch}"))


def test_a_budget_that_cannot_be_read_is_refused_before_anything_is_traced(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segbench.tasks.budget.traced_step", None)
    with pytest.raises(UserError, match="amount of memory"):
        settle(case(network, "+checkpoint:budget=8XB"))


@pytest.mark.parametrize("task", ["max_batch", "max_input"])
def test_a_predicted_search_has_no_one_batch_and_size_to_choose_for(network: Path, task: str) -> None:
    asked = case(network, "+checkpoint:budget=70%")
    with pytest.raises(UserError, match="for one batch and size"):
        settle(Case(task, asked.model, width=asked.width, height=asked.height, budget_bytes=10**9))
