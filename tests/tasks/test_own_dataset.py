"""A user's own data set is trained on and evaluated like a built-in one; what was left out is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from segbench.cards.datasets import settled_spec
from segbench.records.case import Case
from segbench.tasks import check_dataset, evaluate, train

CARD = """
name = "own"
width = 32
height = 32
splits = ["train", "val"]
classes = [{ name = "dark" }, { name = "light" }]
[files]
images = "images/{split}/*.png"
labels = "labels/{split}/*.png"
[labels]
map = { 7 = "dark", 8 = "light", 0 = "ignore" }
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """Four training images, one of them broken, and two for validation: light where the label is 8."""
    for split, count in {"train": 4, "val": 2}.items():
        for number in range(count):
            label = np.random.default_rng(number).choice(np.array([7, 8], np.uint8), (4, 4)).repeat(8, 0).repeat(8, 1)
            _save(tmp_path / "images" / split / f"{number}.png", np.stack([(label == 8) * np.uint8(255)] * 3, 2))
            _save(tmp_path / "labels" / split / f"{number}.png", label)
    (tmp_path / "images/train/3.png").write_bytes(b"")
    (tmp_path / "mine.toml").write_text(CARD)
    return settled_spec(str(tmp_path / "mine.toml"))


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _case(task: str, spec: str, **options: Any) -> Case:
    return Case(task, "unet-w8", width=32, height=32, batch_size=2, dataset=spec, classes=2).with_options(**options)


def test_it_is_checked(spec: str, report: Any) -> None:
    check_dataset.run(Case("check_dataset", "", dataset=spec), report)
    detail = report.rows["images_per_s"].detail
    assert (detail["split"], detail["images"], detail["passed"]) == ("val", 2, True)


def test_it_is_trained_and_evaluated_and_named_without_its_place(spec: str, report: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = {"folder": str(run), "steps": 2, "val_split": "val", "validations": 1, "skip_broken": True}
    train.run(_case("train", spec, **options), report)
    assert "left out 1 of 4 images of own train that cannot be used" in report.notes[0]
    assert "images/train/3.png: it is empty" in report.notes[0]
    assert report.rows["miou"].detail["broken"] == {"train": 1}

    with safe_open(run / "best.safetensors", "np") as file:
        facts = json.loads(file.metadata()["segbench"])
    assert facts["data"]["dataset"] == "own"
    assert facts["class_names"] == ["dark", "light"]
    assert str(tmp_path) not in json.dumps([facts["title"], facts["data"]])

    asked = {"checkpoint": str(run / "best.safetensors"), "folder": str(run / "scores"), "predictions": True}
    evaluate.run(_case("evaluate", spec, **asked), report)
    assert set(report.rows["miou"].detail["iou"]) == {"dark", "light"}
    assert sorted(path.name for path in (run / "scores/predictions").iterdir()) == ["val_0.png", "val_1.png"]


def test_what_an_evaluation_leaves_out_is_told_and_kept(spec: str, report: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train.run(_case("train", spec, folder=str(run), steps=1, val_split="val", validations=1, skip_broken=True), report)
    (tmp_path / "labels/val/0.png").unlink()
    report.notes.clear()
    asked = {"checkpoint": str(run / "best.safetensors"), "folder": str(run / "scores"), "skip_broken": True}
    evaluate.run(_case("evaluate", spec, **asked), report)
    assert "left out 1 of 2 images of own val that cannot be used" in report.notes[0]
    assert report.rows["miou"].detail["left_out"] == ["val/0"]
    assert report.rows["miou"].detail["images"] == 1


def test_weights_of_a_stranger_with_other_classes_are_scored_under_a_label_map(
    spec: str, report: Any, tmp_path: Path
) -> None:
    """Its first class is dark, its second light, its third, which would always win, nothing of this data set."""
    (tmp_path / "tones.py").write_text("from torch import nn\ndef Tones(classes): return nn.Conv2d(3, classes, 1)\n")
    weight = torch.tensor([-1.0, 1.0, 0.0]).view(3, 1, 1, 1).expand(3, 3, 1, 1).contiguous()
    weights = {"module.weight": weight, "module.bias": torch.tensor([0.0, 0.0, 99.0]), "head": torch.ones(1)}
    torch.save({"state_dict": weights}, tmp_path / "w.pth")
    asked = {"checkpoint": str(tmp_path / "w.pth"), "folder": str(tmp_path / "scores"), "boundary": False}
    case = replace(_case("evaluate", spec, **asked), model=f"{tmp_path / 'tones.py'}:Tones")
    evaluate.run(case.with_options(label_map=(("night", 0), ("day", 1), ("fog", None))), report)
    assert report.rows["miou"].value == 1
    assert report.rows["miou"].detail["weights"] == {"loaded": 2, "unmatched": [("not in the network", "head")]}
    assert "fog stand for nothing in own" in report.notes[0]
