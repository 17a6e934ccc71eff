from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segbench.present.explain import explain_tables, sentence
from segbench.present.timeline import plot_timelines
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

GIB = 2**30
ROLES = ("parameters", "optimizer state", "gradients", "activations", "temporaries", "inputs", "workspaces")


def detail(activations: int, module: str) -> dict[str, Any]:
    breakdown = {**dict.fromkeys(ROLES, 0), "parameters": GIB, "activations": activations}
    largest = {"bytes": activations, "role": "activations", "operator": "aten.cat", "module": "", "shape": [2, 3]}
    return {
        "breakdown": breakdown,
        "modules": {module: activations, "": GIB},
        "largest": [{**largest, "dtype": "float32"}],
        "peak": {"phase": "backward", "operator": "aten.cat", "module": module},
        "timeline": {
            "moments": (0.0, 0.5),
            "bytes": {role: (0, size) for role, size in breakdown.items()},
            "phases": ((0.0, "forward"), (0.4, "backward")),
        },
    }


@pytest.fixture
def entries(make_entry: Callable[..., Entry]) -> list[Entry]:
    case = Case("predict", "unet", device="none", batch_size=24, modes=("train",))
    return [
        make_entry(
            model, Measurement("train_peak_live_bytes", size + GIB, "predicted", "train", detail=found), case=case
        )
        for model, size in (("segnode", 4 * GIB), ("hrnetv2", 20 * GIB))
        for found in [detail(size, "ode" if model == "segnode" else "front")]
    ]


def test_roles_modules_and_tensors_stand_side_by_side(entries: list[Entry]) -> None:
    roles, modules, tensors = explain_tables(entries)
    assert roles.headings == ["", "segnode", "hrnetv2"]
    assert ["activations", "4.00 GiB", "20.0 GiB"] in roles.lines()
    assert ["gradients", "-", "-"] in roles.lines()
    assert ["all live bytes", "5.00 GiB", "21.0 GiB"] in roles.lines()
    assert modules.lines()[0] == ["1", "ode  4.00 GiB", "front  20.0 GiB"]
    assert "(the network itself) cat 2x3 (activations)" in tensors.lines()[0][1]


def test_one_sentence_says_why_one_needs_less() -> None:
    found = {"segnode": detail(4 * GIB, "ode"), "hrnetv2": detail(20 * GIB, "front")}
    said = sentence(found) or ""
    assert said.startswith("segnode needs 16.0 GiB less than hrnetv2: 16.0 GiB less of activations")
    assert "front (20.0 GiB)" in said
    assert sentence({"segnode": found["segnode"]}) is None


def test_measurements_are_not_explained(make_entry: Callable[..., Entry]) -> None:
    assert explain_tables([make_entry("unet", Measurement("train_peak_live_bytes", 1, "measured:host"))]) == []


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_timeline_is_drawn_with_a_panel_a_network(entries: list[Entry], tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"timeline.{ending}"
    plot_timelines(entries, path)
    assert path.stat().st_size > 1000
    if ending == "svg":
        assert "<svg" in path.read_text()
