"""The wrapper around mmsegmentation's networks, with a fake of the package; `test_real_mmseg.py` has the real one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.cards.model import find_model
from segbench.libraries.mmseg import edges_of
from segbench.libraries.traits import traits_of
from segbench.records.case import Case
from segbench.workload.network import build_from_card
from segbench.workload.step import build_workload

CONFIG = """
model = dict(
    type='EncoderDecoder', pretrained='open-mmlab://resnet50', data_preprocessor=dict(size=(32, 32)),
    backbone=dict(norm_cfg=dict(type='SyncBN'), init_cfg=dict(type='Pretrained', checkpoint='x.pth')),
    decode_head=[dict(num_classes=19, loss_decode=dict(class_weight=[1.0] * 19))])
"""


class FakeSegmentor(nn.Module):
    """Two losses, one of them a list, beside an accuracy."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(3, config["decode_head"][0]["num_classes"], 1)

    def encode_decode(self, images: Tensor, facts: list[dict[str, Any]]) -> Tensor:
        assert [item["img_shape"] for item in facts] == [tuple(images.shape[2:])] * len(images)
        return self.head(images)  # type: ignore[no-any-return]

    def loss(self, images: Tensor, samples: list[Any]) -> dict[str, Any]:
        mean = self.head(images).mean()
        assert samples[0].gt_sem_seg.data.shape == (1, *images.shape[2:])
        return {"decode.loss_ce": 0 * mean + 1, "aux.loss_ce": [torch.tensor([2.0, 4.0]), 5 + 0 * mean], "acc": mean}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fakes: dict[str, dict[str, Any]] = {
        "mmseg": {},
        "mmseg.models": {},
        "mmseg.registry": {"MODELS": SimpleNamespace(build=FakeSegmentor)},
        "mmseg.structures": {"SegDataSample": SimpleNamespace},
        "mmengine": {},
        "mmengine.registry": {"init_default_scope": lambda scope: None},
        "mmengine.config": {"ConfigDict": dict},
        "mmengine.structures": {"PixelData": SimpleNamespace},
        "mmcv": {},
    }
    for name, contents in fakes.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "mmcv._ext", ModuleType("mmcv._ext"))
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG)
    return path


def test_a_config_is_built_for_one_device_without_pretrained_weights(config: Path) -> None:
    network = build_from_card(find_model(f"mmseg:{config}").card, classes=5)
    built = network.network.config
    assert (built["backbone"]["norm_cfg"]["type"], built["backbone"]["init_cfg"], "pretrained" in built) == (
        "BN",
        None,
        False,
    )
    assert built["decode_head"][0] == {"num_classes": 5, "loss_decode": {}}
    assert [note.split(" of ")[0] for note in network.notes] == ["SyncBN", "class weights"]


def test_its_own_losses_train_it(config: Path) -> None:
    work = build_workload(Case("memory", f"mmseg:{config}", width=8, height=4, batch_size=2, classes=5), "cpu")
    assert work.train_step(*work.make_batch()).item() == 1 + 3 + 5
    assert work.infer(work.make_batch()[0]).shape == (2, 5, 4, 8)


@pytest.mark.parametrize(
    ("heads", "count"),
    [("", 0), (", auxiliary_head=dict(num_classes=19)", 1), (", auxiliary_head=[dict(), dict()]", 2)],
)
def test_its_auxiliary_heads_are_counted(config: Path, heads: str, count: int) -> None:
    config.write_text(CONFIG.replace("* 19))])", f"* 19))]{heads})"))
    assert traits_of(build_from_card(find_model(f"mmseg:{config}").card, classes=5)).auxiliary == count


def test_numbers_of_other_things_than_classes_stay(config: Path) -> None:
    config.write_text(
        CONFIG.replace("* 19))])", "* 19))], auxiliary_head=[dict(num_classes=19), dict(num_classes=1)])")
    )
    network = build_from_card(find_model(f"mmseg:{config}").card, classes=5)
    assert [head["num_classes"] for head in network.network.config["auxiliary_head"]] == [5, 1]


def test_edges_are_where_two_classes_meet_and_not_where_a_pixel_is_ignored() -> None:
    label = torch.tensor([[1, 1, 1, 2, 2, 255, 3, 3]]).repeat(3, 1)
    assert edges_of(label, 1)[0].tolist() == [[0, 0, 1, 0, 0, 0, 0, 0]] * 2 + [[0] * 8]
    assert edges_of(label, 3)[0, 1].tolist() == [0, 1, 1, 1, 0, 0, 0, 0]


def test_operators_that_mmcv_lite_lacks_refuse_when_they_are_called(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    build_from_card(find_model(f"mmseg:{config}").card, classes=5)
    with pytest.raises(NotImplementedError, match=r"calls psamask_forward.*install mmcv"):
        sys.modules["mmcv._ext"].psamask_forward()
    sys.modules["mmcv._ext"].psamask_forward(torch.empty(1, device="meta"), torch.empty(1, device="meta"))
