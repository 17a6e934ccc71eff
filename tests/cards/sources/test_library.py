"""Names of networks of libraries, read without the libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segbench.cards.model import find_model
from segbench.cards.sources import read_spec
from segbench.cards.spec import ModelSpec
from segbench.errors import CardError


@pytest.mark.parametrize(
    ("text", "spec", "arguments"),
    [
        (
            "smp:Unet?encoder_name=resnet34",
            ModelSpec("smp", "smp", "Unet", (("encoder_name", "resnet34"),)),
            {"architecture": "Unet", "encoder_weights": None, "encoder_name": "resnet34"},
        ),
        (
            "timm:swin_tiny.ms_in1k?head=uper",
            ModelSpec("timm", "timm", "swin_tiny.ms_in1k", (("head", "uper"),)),
            {"backbone": "swin_tiny.ms_in1k", "head": "uper"},
        ),
        (
            "torchvision:fcn_resnet50?aux_loss=true+checkpoint",
            ModelSpec("torchvision", "torchvision", "fcn_resnet50", (("aux_loss", True),), ("checkpoint",)),
            {"architecture": "fcn_resnet50", "weights": None, "weights_backbone": None, "aux_loss": True},
        ),
        (
            "transformers:nvidia/mit-b0?depths=[2,2]",
            ModelSpec("transformers", "transformers", "nvidia/mit-b0", (("depths", [2, 2]),)),
            {"network": "nvidia/mit-b0", "depths": [2, 2]},
        ),
    ],
)
def test_a_networks_name_becomes_its_builders_arguments(
    text: str, spec: ModelSpec, arguments: dict[str, object]
) -> None:
    model = find_model(text)
    assert (model.spec, model.card.arguments) == (spec, arguments)
    assert model.card.builder == f"segbench.libraries.{spec.source}:build"
    assert read_spec(model.spec.text) == spec and model.name == text


@pytest.mark.parametrize("library", ["smp", "timm", "torchvision", "transformers"])
def test_a_library_alone_names_no_network(library: str) -> None:
    with pytest.raises(CardError, match=f"write for example {library}:"):
        find_model(f"{library}:")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    text = {"architectures": ["SegformerForSemanticSegmentation"], "depths": [1, 1], "id2label": {"0": "wall"}}
    (made / "config.json").write_text(json.dumps(text))
    return made


def test_a_configuration_in_a_folder_becomes_an_argument_of_the_card(folder: Path) -> None:
    model = find_model(f"transformers:{folder}?width=8")
    network = "SegformerForSemanticSegmentation"
    assert model.card.arguments == {"network": network, "configuration": {"depths": [1, 1]}, "width": 8}


def test_another_configuration_in_the_folder_is_another_network(folder: Path) -> None:
    before = find_model(f"transformers:{folder}").card.hash()
    (folder / "config.json").write_text('{"architectures": ["SegformerForSemanticSegmentation"], "depths": [2, 2]}')
    assert find_model(f"transformers:{folder}").card.hash() != before


def test_a_folder_is_sent_and_is_not_published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    model = find_model("transformers:mine")
    assert model.spec.file == folder and str(folder) in model.spec.text
    assert model.name == model.spec.published().text == "transformers:mine"


@pytest.mark.parametrize("content", [None, "{}", "no json", '{"architectures": []}', '{"architectures": [3]}'])
def test_a_folder_without_a_networks_configuration_is_refused(folder: Path, content: str | None) -> None:
    (folder / "config.json").unlink() if content is None else (folder / "config.json").write_text(content)
    with pytest.raises(CardError, match=r"mine/config\.json is no configuration of a network"):
        find_model(f"transformers:{folder}")
