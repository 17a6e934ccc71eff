"""The main output of a network that returns several, by the habits of published code and by name."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.libraries.traits import Traits, with_traits
from segbench.records.case import Case
from segbench.workload.outputs import OutputReader, logits_of


def scores(value: float, side: int = 8, classes: int = 2) -> Tensor:
    return torch.full((1, classes, side, side), float(value))


MAIN, AUX = scores(1), scores(0)


class Answer(NamedTuple):
    aux: Tensor
    logits: Tensor


@dataclass
class Segmented:
    hidden_states: tuple[Tensor, ...]
    logits: Tensor
    loss: None = None


@pytest.mark.parametrize(
    "output",
    [
        MAIN,
        {"aux": AUX, "out": MAIN},  # torchvision, whatever the order
        {"aux": AUX, "pred": MAIN},
        {"aux": AUX, "main": MAIN},
        {"aux": AUX, "my_own": MAIN},
        {"loss": None, "logits": MAIN, "hidden_states": (AUX, AUX)},  # Hugging Face
        Segmented((scores(0, classes=64),), MAIN),
        SimpleNamespace(logits=MAIN),
        Answer(AUX, MAIN),
        (MAIN, AUX),  # PSPNet, BiSeNet, Fast-SCNN, DANet
        (MAIN, torch.zeros(1, 2)),  # segmentation_models_pytorch with a classification head
        [AUX, MAIN],  # HRNet-OCR
        [AUX, AUX, AUX, MAIN],  # UNet++ under deep supervision
        [scores(1), scores(0, 4), scores(0, 2)],  # nnU-Net: full resolution first
        [AUX, MAIN, scores(0, classes=1)],  # PIDNet: the last is a map of boundaries
        {"out": {"deep": MAIN}},
    ],
    ids=lambda output: type(output).__name__,
)
def test_the_main_output_is_found_by_convention(output: Any) -> None:
    reader = OutputReader(classes=2)
    assert torch.equal(reader.logits(output, (8, 8)), MAIN)
    assert torch.equal(reader.supervised(output, (8, 8))[0][1], MAIN)


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ({"aux": MAIN, "out": AUX}, "aux"),
        ([MAIN, AUX], "0"),
        ((AUX, MAIN), "1"),
        ((AUX, MAIN), "-1"),
        ({"a": AUX, "b": MAIN}, "1"),
        ({"out": AUX, "aux": [AUX, MAIN]}, "aux.1"),
    ],
)
def test_another_output_can_be_asked_for_by_name_and_by_number(output: Any, wanted: str) -> None:
    assert torch.equal(OutputReader(wanted).logits(output, (8, 8)), MAIN)


@pytest.mark.parametrize("wanted", ["edge", "2", "-3", "--1"])
def test_an_output_that_does_not_exist_is_refused_with_those_that_do(wanted: str) -> None:
    with pytest.raises(UserError, match=r"no output .*; its maps are aux, out, or 0 to 1"):
        OutputReader(wanted).logits({"aux": AUX, "out": MAIN}, (8, 8))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ([AUX, MAIN], "read output 1 of 0, 1 (the last of a list); --network-output NAME or INDEX takes another"),
        ((MAIN, AUX), "read output 0 of 0, 1 (the first of a tuple); --network-output NAME or INDEX takes another"),
        (
            {"aux": AUX, "out": MAIN},
            "read output out of aux, out (by its name); --network-output NAME or INDEX takes another",
        ),
        (
            [MAIN, scores(0, 4)],
            "read output 0 of 0, 1 (the largest map); --network-output NAME or INDEX takes another",
        ),
    ],
)
def test_a_choice_is_told_with_its_reason(output: Any, sentence: str) -> None:
    reader = OutputReader(classes=2)
    reader.logits(output, (8, 8))
    assert reader.notes() == [sentence]


def test_a_single_output_leaves_nothing_to_tell() -> None:
    reader = OutputReader()
    reader.logits(MAIN, (8, 8))
    reader.logits({"out": MAIN}, (8, 8))
    assert reader.notes() == []


def test_other_outputs_weigh_what_the_case_says_and_features_nothing() -> None:
    output = {"out": MAIN, "aux": AUX, "features": scores(0, classes=64)}
    for given, read in ((None, [1.0, 0.4]), (0.2, [1.0, 0.2]), (0.0, [1.0])):
        reader = OutputReader.of(Case("train", "x", classes=2, aux_weight=given), nn.Identity())
        assert [share for share, _ in reader.supervised(output, (8, 8))] == read


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(UserError, match="aux_weight"):
        Case("train", "x", aux_weight=weight)


def test_smaller_scores_are_enlarged_to_the_image() -> None:
    assert logits_of(torch.zeros(1, 2, 4, 4), (9, 7)).shape == (1, 2, 9, 7)


@pytest.mark.parametrize(
    ("output", "found"),
    [(torch.zeros(1, 1000), r"\(1, 1000\)"), ({"loss": None}, "dict"), ([], "list"), (None, "NoneType"), ("a", "str")],
)
def test_what_is_no_segmentation_is_refused(output: Any, found: str) -> None:
    with pytest.raises(UserError, match=f"returned {found}; segbench needs class scores"):
        logits_of(output, (8, 8))


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (torch.zeros(1, 5, 2, 2, dtype=torch.bool), "returned bool of shape"),
        (torch.zeros(1, 5, 2, 2, dtype=torch.complex64), "returned complex64"),
        (torch.zeros(0, 5, 2, 2), "real class scores of each image"),
        (torch.zeros(1, 2, 3, 5), r"classes last; .*permute\(0, 3, 1, 2\)"),
    ],
)
def test_what_is_no_score_of_the_classes_is_refused(scores: torch.Tensor, sentence: str) -> None:
    reader = OutputReader(classes=5)
    for output in (scores, {"out": scores}):
        with pytest.raises(UserError, match=sentence):
            reader.logits(output, (4, 4))
        with pytest.raises(UserError, match=sentence):
            reader.supervised(output, (4, 4))


def test_a_librarys_weight_holds_where_the_case_has_none() -> None:
    network = with_traits(nn.Identity(), Traits(aux_weight=0.5))
    for given, weight in ((None, 0.5), (0.2, 0.2)):
        reader = OutputReader.of(Case("train", "x", classes=2, aux_weight=given), network)
        assert [share for share, _ in reader.supervised({"out": MAIN, "aux": AUX}, (8, 8))] == [1.0, weight]
        assert reader.auxiliary == 1


@pytest.mark.parametrize("names", [("class_queries_logits", "masks_queries_logits"), ("pred_logits", "pred_masks")])
def test_classes_and_masks_of_queries_become_a_semantic_map(names: tuple[str, str]) -> None:
    """Query 0 is of class 1 and sees the left half, query 1 is of class 0 and sees the right; the last is nothing."""
    sure = 50.0
    classes = sure * torch.eye(3)[[1, 0, 2]][None]
    left = torch.tensor([sure, sure, -sure, -sure]).expand(4, 4)
    masks = torch.stack([left, -left, torch.full((4, 4), sure)])[None]
    reader = OutputReader(classes=2)
    found = reader.logits({**dict(zip(names, (classes, masks), strict=True)), "hidden": scores(0)}, (4, 4))
    seen = (left > 0).float()
    torch.testing.assert_close(found, torch.stack([1 - seen, seen])[None])
    assert reader.combined and "combined into a semantic map" in reader.notes()[0]


def test_scores_that_were_enlarged_are_told_with_their_stride() -> None:
    reader = OutputReader(classes=2)
    assert reader.logits(scores(1), (32, 32)).shape == (1, 2, 32, 32)
    assert reader.notes() == ["class scores at stride 4 enlarged bilinearly"]


def test_what_answers_for_padding_is_cut_off() -> None:
    """Enlarged to the padded size first, so that every score stays in its place."""
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 2, 4, 4)
    reader = OutputReader(traits=Traits(divisor=8), pads=True)
    assert torch.equal(reader.logits(ramp, (30, 29)), OutputReader().logits(ramp, (32, 32))[..., :30, :29])
    assert reader.stride == 8
