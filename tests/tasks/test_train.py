"""The training task on a few synthetic streets, from a case to checkpoints, and the evaluation of what it left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.data import Sample
from segbench.data.streets.dataset import SyntheticStreets
from segbench.errors import CheckpointError, DataError, UserError
from segbench.evaluation.files import load_evaluation
from segbench.learning.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from segbench.learning.image_folder import ImageFolder
from segbench.learning.log import read_log
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import evaluate, train

DATA = "synthetic:size=64x48,count=6"


class Listener:
    """Collects what a task reports."""

    def __init__(self) -> None:
        self.rows: dict[str, Measurement] = {}
        self.stages: list[str] = []
        self.extras: list[dict[str, Json]] = []
        self.notes: list[str] = []

    def measured(self, measurement: Measurement) -> None:
        json.dumps(measurement.to_json(), allow_nan=False)
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:
        self.stages.append(stage)
        self.extras.append(extra)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def case(folder: Path, model: str = "segnode-w8", **options: Any) -> Case:
    plain = Case("train", model, width=64, height=48, batch_size=2, dataset=DATA, classes=11, channels_last=True)
    values = {"folder": str(folder), "steps": 4, "label_stride": 2, "val_split": "val", "validations": 2}
    return plain.with_options(**{**values, **options})


def trained(folder: Path, **options: Any) -> Listener:
    listener = Listener()
    train.run(case(folder, **options), listener)
    return listener


def evaluated(folder: Path, **changes: Any) -> Listener:
    listener = Listener()
    asked = Case("evaluate", "segnode-w8", width=64, height=48, dataset=DATA, split="val", classes=11)
    options = {"checkpoint": str(folder / "best.safetensors"), "folder": str(folder / "scores")}
    evaluate.run(replace(asked, **changes.pop("case", {})).with_options(**{**options, **changes}), listener)
    return listener


def test_a_network_that_a_switch_made_is_evaluated_as_it_was_trained(tmp_path: Path) -> None:
    first = Listener()
    train.run(case(tmp_path, "unet?width=4&levels=2+inplace-abn", steps=2), first)
    found = evaluated(tmp_path, case={"model": "unet?width=4&levels=2"})
    assert found.rows["miou"].value == pytest.approx(first.rows["miou"].detail["best"], abs=1e-9)


@pytest.mark.parametrize("model", ["hrnetv2-small+recompute", "segnode-w8"])
def test_norms_that_layers_compute_themselves_cannot_be_synchronised(tmp_path: Path, model: str) -> None:
    asked = case(tmp_path, model, sync_batch_norm=True)
    asked = asked.with_arguments(norm="batch") if model == "segnode-w8" else asked
    with pytest.raises(UserError, match="does not reach the norms of"):
        train.run(asked, Listener())


def test_a_training_reports_scores_and_leaves_a_run_that_says_where_it_came_from(tmp_path):
    found = trained(tmp_path)
    assert set(found.rows) == {
        "parameters",
        "trainable_parameters",
        "miou",
        "pixel_accuracy",
        "class_accuracy",
        "train_step_s",
    }
    assert found.rows["parameters"].value == 308_884
    assert found.rows["miou"].detail["steps"] == 4
    curve = found.rows["miou"].detail["curve"]
    assert [step for step, _, _ in curve] == [2, 4]
    assert curve[-1][2] == pytest.approx(found.rows["miou"].value, rel=1e-5)
    assert {"reading train", "reading val", "validating"} <= set(found.stages)
    facts = read_checkpoint(tmp_path / "last.safetensors").facts
    assert facts["model"] == "segnode-w8" and facts["card"]["builder"] == "segbench.zoo.segnode:SegNode"
    assert facts["plan"]["recipe"]["supervision"] == "all" and facts["data"]["dataset"] == DATA
    assert len(read_log(tmp_path / "log.csv")) == 2


def test_a_folder_with_a_run_is_neither_overwritten_nor_continued_unasked(tmp_path):
    trained(tmp_path)
    with pytest.raises(CheckpointError, match="--resume, replace it with --overwrite"):
        trained(tmp_path)
    assert trained(tmp_path, resume=True).rows["miou"].detail["steps"] == 4
    assert trained(tmp_path, overwrite=True, steps=2).rows["miou"].detail["steps"] == 2


def test_replacing_a_run_may_start_from_its_weights_and_a_mistake_costs_nothing(tmp_path):
    trained(tmp_path)
    with pytest.raises(UserError, match="choose a multiple"):
        trained(tmp_path, overwrite=True, accumulate=3)
    assert (tmp_path / "last.safetensors").is_file()
    found = trained(tmp_path, overwrite=True, steps=1, init=str(tmp_path / "best.safetensors"))
    assert any("tensors loaded" in note for note in found.notes)


def test_a_run_of_other_arguments_is_not_continued(tmp_path):
    trained(tmp_path)
    with pytest.raises(CheckpointError, match=r"continued: argument steps: 8, not 4; give"):
        train.run(replace(case(tmp_path, resume=True), arguments=(("steps", 8),)), Listener())
    with pytest.raises(CheckpointError, match="val_split: train, not val"):
        trained(tmp_path, resume=True, val_split="train")


def test_a_network_of_other_classes_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Conv2d):\n"
        "    def __init__(self): super().__init__(3, 21, 1)\n"
        "    def encode(self, x): return x\n"  # other networks' encode and decode are not SegNode's
        "    def decode(self, x): return x\n"
    )
    with pytest.raises(UserError, match="Net gives 21 classes, asked are 11; let its builder"):
        trained(tmp_path / "run", model=f"{tmp_path / 'mine.py'}:Net", supervision="end")


def test_a_split_without_labels_is_refused(tmp_path, monkeypatch):
    drawn = SyntheticStreets.__getitem__

    def void(self: SyntheticStreets, index: int) -> Sample:
        sample = drawn(self, index)
        return replace(sample, label=np.full_like(sample.label, 255))

    monkeypatch.setattr(SyntheticStreets, "__getitem__", void)
    with pytest.raises(UserError, match="split train, has no labels"):
        trained(tmp_path)


def test_resuming_nothing_is_noted(tmp_path):
    assert any("nothing to resume" in note for note in trained(tmp_path, resume=True).notes)


def test_a_damaged_checkpoint_is_noted_and_the_one_before_taken(tmp_path):
    trained(tmp_path, save_every_s=0.0)
    last = tmp_path / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    found = trained(tmp_path, save_every_s=0.0, resume=True)
    assert any("damaged" in note and "previous" in note for note in found.notes)
    assert found.rows["miou"].detail["steps"] == 4


def test_training_can_start_from_other_weights(tmp_path):
    trained(tmp_path / "first")
    found = trained(tmp_path / "second", init=str(tmp_path / "first" / "best.safetensors"))
    assert any("tensors loaded" in note for note in found.notes)
    weights = torch.zeros(2)
    torch.save({"unrelated": weights}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="unrelated"):
        trained(tmp_path / "third", init=str(tmp_path / "other.pth"))


def test_half_precision_is_refused_on_the_cpu(tmp_path):
    with pytest.raises(UserError, match="bf16"):
        train.run(replace(case(tmp_path), precision="fp16"), Listener())


def test_every_way_is_supervised_only_where_there_is_one(tmp_path):
    with pytest.raises(UserError, match="HRNetV2 has none; choose end"):
        trained(tmp_path, model="hrnetv2-small", supervision="all")


def test_a_network_of_another_kind_trains_too(tmp_path):
    step = trained(tmp_path, model="hrnetv2-small", val_split=None, steps=1).rows["train_step_s"]
    assert step.value > 0 and step.detail["steps"] == step.detail["timed_steps"] == 1


def test_the_authors_weights_start_our_hrnet(tmp_path):
    from segbench.cards.model import find_model
    from segbench.workload.network import build_from_card
    from segbench.zoo.hrnet_weights import official_name

    network = build_from_card(find_model("hrnetv2-small").card)
    official = {f"model.{official_name(name)}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": official}, tmp_path / "official.pth")
    found = trained(
        tmp_path / "run", model="hrnetv2-small", init=str(tmp_path / "official.pth"), val_split=None, steps=1
    )
    assert any(note.endswith(f"{len(official)} tensors loaded") for note in found.notes)


def test_bodies_are_pretrained_on_a_folder_of_images(tmp_path):
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for number in range(3):
                pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{number}.png")
    asked = replace(case(tmp_path / "run"), dataset=None, data_root=str(tmp_path / "images"))
    listener = Listener()
    train.run(asked.with_options(task="classify", label_stride=1, supervision="end"), listener)
    assert listener.rows["image_accuracy"].value is not None
    (tmp_path / "images" / "val" / "cat").rename(tmp_path / "cat")
    found = ImageFolder(tmp_path / "images", "val", ("cat", "dog"))
    assert [number for _, number in found.files] == [1, 1, 1]  # as in training, though no cat is shown
    (tmp_path / "images" / "val" / "eel").mkdir()
    with pytest.raises(DataError, match="not trained: eel"):
        len(ImageFolder(tmp_path / "images", "val", ("cat", "dog")).files)
    found = trained(tmp_path / "segment", init=str(tmp_path / "run" / "best.safetensors"))
    assert any("linear.weight" in note for note in found.notes)


def test_an_evaluation_scores_what_the_training_logged_and_keeps_every_image(tmp_path):
    first = trained(tmp_path)
    found = evaluated(tmp_path, predictions=True, overlays=2)
    assert found.rows["miou"].value == pytest.approx(first.rows["miou"].detail["best"], abs=1e-9)
    assert found.rows["miou"].factors == {"protocol": "single"}
    assert set(found.rows["miou"].detail["iou"]) >= {"sky", "road"}
    assert {"pixel_accuracy", "class_accuracy", "miou_image_mean", "boundary_f"} <= set(found.rows)
    kept = load_evaluation(tmp_path / "scores" / "evaluation.npz")
    assert kept.confusion.miou() == found.rows["miou"].value and len(kept.names) == 6
    assert len(list((tmp_path / "scores" / "predictions").iterdir())) == 6
    assert len(list((tmp_path / "scores" / "overlays").iterdir())) == 2
    assert (tmp_path / "scores" / "confusion.png").is_file() and (tmp_path / "scores" / "images.csv").is_file()


def test_two_evaluations_are_compared_on_the_same_images(tmp_path):
    trained(tmp_path)
    saved = str(tmp_path / "scores" / "evaluation.npz")
    first = evaluated(tmp_path, boundary=False)
    same = evaluated(tmp_path, against=saved).rows["miou_difference"]
    assert (same.value, same.spread_low, same.spread_high) == (0, 0, 0)
    other = evaluated(tmp_path, against=saved, case={"arguments": (("steps", 1),)}).rows
    expected = other["miou"].value - first.rows["miou"].value
    assert other["miou_difference"].value == pytest.approx(expected) and expected != 0
    assert other["miou_difference"].spread_low < other["miou_difference"].spread_high
    with pytest.raises(DataError, match="is of other images"):
        evaluated(tmp_path, against=saved, case={"split": "train"})


def test_scores_on_the_training_images_are_marked(tmp_path):
    trained(tmp_path)
    assert any("trained on these very images" in note for note in evaluated(tmp_path, case={"split": "train"}).notes)


def test_the_solver_may_take_other_steps_than_in_training(tmp_path):
    trained(tmp_path)
    found = evaluated(tmp_path, case={"arguments": (("steps", 2),)})
    assert found.rows["miou"].detail["checkpoint"]["arguments"] == {}


def test_checkpoints_of_other_networks_and_classes_are_refused(tmp_path):
    trained(tmp_path)
    with pytest.raises(CheckpointError, match="made for segnode-w8 and does not fit"):
        evaluated(tmp_path, case={"model": "hrnetv2-small"})
    found = read_checkpoint(tmp_path / "best.safetensors")
    names = ["skies", *found.facts["class_names"][1:]]
    save_checkpoint(Checkpoint(found.tensors, {**found.facts, "class_names": names}), tmp_path / "best.safetensors")
    with pytest.raises(CheckpointError, match=r"11 classes of synthetic.*\(skies"):
        evaluated(tmp_path)


def test_predictions_of_cityscapes_are_also_written_for_its_test_server(tmp_path, real_data):
    root = real_data / "fixtures" / "cityscapes"
    torch.manual_seed(0)
    asked = replace(case(tmp_path), dataset="cityscapes", data_root=str(root), classes=19)
    listener = Listener()
    train.run(asked.with_options(steps=1, val_split=None), listener)
    scored = Case("evaluate", "segnode-w8", width=64, height=48, dataset="cityscapes", data_root=str(root), split="val")
    options = {"checkpoint": str(tmp_path / "last.safetensors"), "folder": str(tmp_path / "scores")}
    evaluate.run(scored.with_options(**options, predictions=True), listener)
    (path,) = (tmp_path / "scores" / "labelIds").iterdir()
    assert path.name.endswith("_labelIds.png")
    with Image.open(path) as image:
        assert min(np.unique(np.asarray(image))) >= 7  # label ids of classes start at 7


TWO_OUTPUTS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.aux, self.main = nn.Conv2d(3, classes, 1), nn.Conv2d(3, classes, 1)

    def forward(self, images):
        return [self.aux(images), self.main(images)]
"""


def test_the_output_that_was_trained_is_told_and_is_the_one_evaluated(tmp_path):
    (tmp_path / "net.py").write_text(TWO_OUTPUTS)
    model = f"{tmp_path / 'net.py'}:Net"
    for output, read in (
        (None, "read output 1 of 0, 1 (the last of a list)"),
        ("0", "read output 0 of 0, 1 (as asked)"),
    ):
        run, found = tmp_path / str(output), Listener()
        train.run(replace(case(run, model, steps=1, validations=1), output=output, channels_last=False), found)
        assert any(read in note for note in found.notes)
        scored = evaluated(run, case={"model": model})
        assert any(read in note for note in scored.notes)
        assert scored.rows["miou"].detail["output"] == read


def test_weights_without_a_training_are_evaluated_with_a_note(tmp_path):
    (tmp_path / "net.py").write_text(TWO_OUTPUTS)
    state = {f"_orig_mod.{name}.weight": torch.zeros(11, 3, 1, 1) for name in ("aux", "main")}
    state |= {f"_orig_mod.{name}.bias": torch.zeros(11) for name in ("aux", "main")}
    torch.save({"state_dict": state}, tmp_path / "mine.pth")
    found = evaluated(tmp_path, case={"model": f"{tmp_path / 'net.py'}:Net"}, checkpoint=str(tmp_path / "mine.pth"))
    assert found.rows["miou"].value is not None
    assert any("holds weights alone" in note for note in found.notes)
