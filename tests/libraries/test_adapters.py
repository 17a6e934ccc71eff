"""What each library is asked for, and what it tells of its networks; fakes stand in for the libraries."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from segbench.errors import CardError, UnknownName, UserError
from segbench.libraries import mask_classification, smp, timm, torchvision, transformers
from segbench.libraries.traits import own_loss, traits_of


class Unet(nn.Conv2d):
    """segmentation_models_pytorch's, whose images must divide by 32."""

    requires_divisible_input_shape = True

    def __init__(
        self,
        encoder_name: str = "resnet34",
        encoder_weights: str | None = "imagenet",
        in_channels: int = 3,
        classes: int = 1,
        **asked: Any,
    ) -> None:
        assert encoder_weights is None, "would be downloaded"
        self.asked = asked
        super().__init__(in_channels, classes, 1)
        self.encoder = SimpleNamespace(output_stride=32)


class DPT(Unet):
    """Over patches of 16 pixels, with a last map at stride 32."""

    def __init__(self, encoder_name: str = "tu-vit", **more: Any) -> None:
        super().__init__(encoder_name, **more)
        self.encoder = SimpleNamespace(output_stride=16)


class Stages(nn.Module):
    """timm's features: maps at strides 4 and 8, channels last in the second."""

    def __init__(self, strides: tuple[int, ...], channels: int = 3) -> None:
        super().__init__()
        self.strides = strides
        self.widen = nn.Conv2d(channels, 8, 1)
        self.feature_info = SimpleNamespace(channels=lambda: [8] * len(strides), reduction=lambda: list(strides))

    def forward(self, images: Tensor) -> list[Tensor]:
        first, *others = (self.widen(images[..., ::stride, ::stride]) for stride in self.strides)
        return [first, *(item.permute(0, 2, 3, 1) for item in others)]


def create_model(name: str, *, features_only: bool, out_indices: Any, in_chans: int = 3, **more: Any) -> Stages:
    assert features_only and out_indices == (-4, -3, -2, -1)
    if name == "fixed_net" and "img_size" in more:
        raise TypeError("fixed_net got an unexpected keyword argument 'img_size'")
    made = Stages((16, 16) if name == "vit" else (4, 8), in_chans)
    made.asked = more  # type: ignore[assignment]
    return made


class Matcher:
    """Assigned by what the module imported from scipy, as transformers' matchers are."""

    def __call__(self, costs: list[Tensor]) -> list[Any]:
        return [linear_sum_assignment(cost) for cost in costs]


class Configuration:
    model_type = "fake"

    def __init__(self, num_labels: int = 2, width: int = 4, **more: Any) -> None:
        self.num_labels, self.width = num_labels, width
        vars(self).update(more)


class SquareConfiguration(Configuration):
    model_type, patch_size = "beit", 16

    def __init__(self, num_labels: int = 2, image_size: int = 224) -> None:
        super().__init__(num_labels)
        self.image_size = image_size


class FakeSegmenter(nn.Module):
    config_class: type[Configuration] = Configuration

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(3, config.num_labels, 4, 4)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> Any:
        return SimpleNamespace(logits=self.head(pixel_values))


class FakeSquareSegmenter(FakeSegmenter):
    config_class = SquareConfiguration


class FakeMaskClassifier(nn.Module):
    """Three queries; its loss tells what it was called with."""

    config_class = Configuration

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        self.config = config
        self.masks = nn.Conv2d(3, 3, 1)
        self.criterion = SimpleNamespace(matcher=Matcher())

    def forward(self, pixel_values: Tensor, mask_labels: Any = None, class_labels: Any = None) -> Any:
        masks = self.masks(pixel_values)
        classes = masks.new_zeros(len(masks), 3, self.config.num_labels + 1)
        loss = masks.mean()[None]
        if mask_labels is not None:
            costs = [masks.new_zeros(3, len(item)) for item in class_labels]
            self.matched = [(len(rows), len(columns)) for rows, columns in self.criterion.matcher(costs)]
            self.seen = [(item, mask.mean((1, 2))) for item, mask in zip(class_labels, mask_labels, strict=True)]
        return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks, loss=loss)


def install(patch: pytest.MonkeyPatch) -> None:
    """Puts the fakes where the libraries would be imported from."""
    smp = _module(patch, "segmentation_models_pytorch", MODEL_ARCHITECTURES_MAPPING={"unet": Unet, "dpt": DPT})
    smp.encoders = SimpleNamespace(get_encoder_names=lambda: ["resnet18", "resnet34"])  # type: ignore[attr-defined]
    pretrained = SimpleNamespace(fixed_input_size=True, mean=(0.5,) * 3, std=(0.5,) * 3, input_size=(3, 224, 224))
    listed = {"vit": pretrained, "fixed_net": pretrained, "net": None}
    _module(
        patch,
        "timm",
        create_model=create_model,
        list_models=lambda: list(listed),
        get_pretrained_cfg=listed.get,
    )
    auto = _module(
        patch, "transformers.models.auto.modeling_auto",
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES={"fake": "FakeSegmenter", "beit": "FakeSquareSegmenter"},
        MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES={"masks": "FakeMaskClassifier", "detr": "FakeDetector"},
    )  # fmt: skip
    processors = {"fake": "FakeProcessor"}
    _module(patch, "transformers.models.auto.image_processing_auto", IMAGE_PROCESSOR_MAPPING_NAMES=processors)
    _module(patch, "transformers.models.auto", modeling_auto=auto)
    _module(patch, "transformers.models")
    _module(
        patch, "transformers",
        FakeSegmenter=FakeSegmenter, FakeSquareSegmenter=FakeSquareSegmenter, FakeMaskClassifier=FakeMaskClassifier,
        FakeProcessor=SimpleNamespace(image_mean=[0.5, 0.5, 0.5], image_std=[0.25, 0.25, 0.25]),
        AutoConfig=SimpleNamespace(from_pretrained=_nowhere),
    )  # fmt: skip
    segmentation = ModuleType("torchvision.models.segmentation")
    models = _module(
        patch, "torchvision.models",
        list_models=lambda module: ["fcn"] if module is segmentation else ["resnet18"],
        get_model=lambda name, num_classes, aux_loss=None, weights=None, weights_backbone="default": _torchvisions(
            num_classes, weights_backbone
        ),
        segmentation=segmentation,
    )  # fmt: skip
    _module(patch, "torchvision", models=models)


def _torchvisions(classes: int, backbone: str | None) -> nn.Module:
    assert backbone is None, "would be downloaded"
    return nn.Conv2d(3, classes, 1)


def _nowhere(*_: object, **__: object) -> None:
    raise OSError("we couldn't connect to 'https://huggingface.co'")


def _module(patch: pytest.MonkeyPatch, name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    patch.setitem(sys.modules, name, module)
    return module


def images(channels: int = 3, size: tuple[int, int] = (32, 64)) -> Tensor:
    return torch.zeros(2, channels, *size)


IGNORED = 255


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def test_smp_gives_its_architecture_whatever_the_capitals_and_what_its_images_must_be() -> None:
    network = smp.build("unet", classes=5, encoder_weights=None, in_channels=4)
    assert network(images(4)).shape[1] == 5
    assert (traits_of(network).channels, traits_of(network).divisor) == (4, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"encoder_nam": "resnet18"}, "did you mean encoder_name"), ({"encoder_name": "tu-vitt"}, "did you mean vit")],
)
def test_what_smp_would_pass_over_or_timm_does_not_have_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        smp.build("unet", encoder_weights=None, **arguments)


@pytest.mark.parametrize(
    ("encoder", "size", "asked"),
    [
        ("tu-vit", (30, 64), {"img_size": (32, 64)}),
        ("tu-vit", (224, 224), {}),
        ("tu-net", (30, 64), {}),
        ("resnet18", (30, 64), {}),
    ],
)
def test_smps_encoders_of_a_fixed_size_are_built_for_the_images(encoder: str, size: Any, asked: Any) -> None:
    network: Any = smp.build("unet", input_hw=size, encoder_weights=None, encoder_name=encoder)
    assert network.asked == asked


def test_dpt_takes_what_its_last_map_divides() -> None:
    network: Any = smp.build("DPT", input_hw=(48, 64), encoder_weights=None)
    assert (traits_of(network).divisor, network.asked) == (32, {"img_size": (64, 64)})


@pytest.mark.parametrize("head", ["fcn", "aspp", "uper", "segformer-mlp"])
def test_a_backbone_of_timm_answers_through_every_head(head: str) -> None:
    network = timm.build("net", head, classes=5)
    assert network(images()).shape[:2] == (2, 5)


def test_timms_backbone_and_head_each_get_their_own_arguments() -> None:
    network: Any = timm.build("net", "uper", classes=5, in_chans=1, head_width=16)
    assert network(images(1)).shape[1] == 5 and network.head.classifier.in_channels == 16


def test_a_backbone_of_a_fixed_size_is_built_for_the_images_padded_to_its_patches() -> None:
    network: Any = timm.build("vit", input_hw=(30, 64))
    assert network.backbone.asked["img_size"] == (32, 64)
    assert (traits_of(network).divisor, traits_of(network).mean) == (16, (0.5, 0.5, 0.5))


def test_a_backbone_that_takes_no_other_size_says_which() -> None:
    with pytest.raises(UserError, match="fixed_net takes images of 224x224 only"):
        timm.build("fixed_net", input_hw=(32, 64))
    assert timm.build("fixed_net", input_hw=(224, 224)), "its own size"


def test_torchvisions_auxiliary_output_weighs_a_half() -> None:
    network = torchvision.build("fcn", classes=5, weights_backbone=None)
    assert traits_of(network).aux_weight == 0.5


def test_a_class_of_transformers_is_configured_and_normalised_as_its_processor_does() -> None:
    network: Any = transformers.build("FakeSegmenter", classes=5, width=7)
    assert (network.config.width, network.config.num_labels) == (7, 5)
    assert traits_of(network).std == (0.25, 0.25, 0.25) and own_loss(network) is None
    assert traits_of(transformers.build("FakeSegmenter", image_mean=[0, 0, 0], image_std=[1, 1, 1])).std == (1, 1, 1)


def test_a_network_of_square_images_is_built_for_the_next_square() -> None:
    network: Any = transformers.build("FakeSquareSegmenter", input_hw=(30, 40))
    assert network.config.image_size == 48 and traits_of(network).square


def test_a_files_configuration_may_be_old_and_of_another_size_and_arguments_replace_it() -> None:
    """Checkpoints on the hub have keys that the library has dropped since (`downsampling_rates` of SegFormer)."""
    network: Any = transformers.build("FakeSegmenter", configuration={"dropped": 1, "width": 5}, width=7)
    assert network.config.width == 7
    square: Any = transformers.build("FakeSquareSegmenter", input_hw=(30, 40), configuration={"image_size": 640})
    assert square.config.image_size == 48
    with pytest.raises(UnknownName, match="did you mean width"):
        transformers.build("FakeSegmenter", configuration={"width": 5}, widht=7)


def test_a_mask_classifier_is_trained_towards_the_masks_of_the_classes_that_are_there() -> None:
    network: Any = transformers.build("FakeMaskClassifier", classes=4)
    labels = torch.tensor([[[0, 0, 3, IGNORED]], [[1, 1, 1, 1]]])
    network.training_loss(images(size=(1, 4)), labels).backward()
    assert [(there.tolist(), shares.tolist()) for there, shares in network.seen] == [
        ([0, 3], [0.5, 0.25]),
        ([1], [1.0]),
    ]
    assert network.matched == [(2, 2), (1, 1)]


def test_without_data_every_class_is_in_every_image() -> None:
    with torch.device("meta"):
        network: Any = transformers.build("FakeMaskClassifier", classes=4)
        loss = network.training_loss(images(), torch.zeros(2, 32, 64, dtype=torch.long))
    assert loss.is_meta and network.matched == [(3, 3), (3, 3)], "three queries for four classes"
    assert traits_of(network).assumed == mask_classification.STAND_IN


def test_the_stand_in_for_the_matching_takes_the_queries_in_order_and_leaves_no_trace() -> None:
    network: Any = transformers.build("FakeMaskClassifier", classes=4)
    cost = torch.tensor([[9.0, 1.0], [1.0, 9.0], [5.0, 5.0]])
    matcher = network.criterion.matcher
    with mask_classification.matched_in_order(network):
        ((rows, columns),) = matcher([cost])
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])
    ((rows, columns),) = matcher([cost])
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])


@pytest.mark.parametrize(
    ("build", "near"),
    [
        (lambda: smp.build("Unett"), "Unet"),
        (lambda: smp.build("Unet", encoder_name="resnet81"), "resnet18"),
        (lambda: timm.build("nett"), "net"),
        (lambda: timm.build("net", head="uperr"), "uper"),
        (lambda: torchvision.build("fcnn"), "fcn"),
        (lambda: transformers.build("FakeSegmentor"), "FakeSegmenter"),
        (lambda: transformers.build("FakeSegmenter", widht=3), "width"),
    ],
)
def test_a_name_that_is_none_is_answered_with_the_near_one(build: Any, near: str) -> None:
    with pytest.raises(UnknownName, match=near):
        build()


def test_a_configuration_that_is_nowhere_is_not_downloaded() -> None:
    with pytest.raises(CardError, match=r"'hf download nvidia/mit config\.json', or name a class, as"):
        transformers.build("nvidia/mit")


@pytest.mark.parametrize("module", [smp, timm, torchvision, transformers])
def test_what_a_library_has_is_listed(module: Any) -> None:
    listed = module.names()
    assert listed["network"] and "FakeDetector" not in listed["network"]


@pytest.mark.parametrize(
    ("module", "package"),
    [
        (smp, "segmentation_models_pytorch"),
        (timm, "timm"),
        (torchvision, "torchvision"),
        (transformers, "transformers"),
    ],
)
def test_a_missing_library_is_one_sentence_with_pips_command(
    module: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    extra = module.__name__.rpartition(".")[2]
    with pytest.raises(CardError, match=rf"need {package}, .*pip install 'segbench\[{extra}\]'"):
        module.names()
