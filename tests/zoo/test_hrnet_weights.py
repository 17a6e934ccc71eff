from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from segbench.errors import CheckpointError
from segbench.learning.weights import read_weights
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.hrnet_weights import load_official_state_dict, official_key_map

WIDTHS = (4, 8, 16, 32)
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def norm(name: str, channels: int) -> Shapes:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def conv_norm(conv: str, norm_name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    yield f"{conv}.weight", (outputs, inputs, kernel, kernel)
    yield from norm(norm_name, outputs)


def official_shapes(
    widths: tuple[int, ...] = WIDTHS, classes: int = 19, modules: tuple[int, ...] = (1, 4, 3), ocr: int = 0
) -> Shapes:
    """Names and shapes of `lib/models/seg_hrnet.py`, written down from its constructors and not from our network."""
    yield from conv_norm("conv1", "bn1", 3, 64, 3)
    yield from conv_norm("conv2", "bn2", 64, 64, 3)
    for block in range(4):
        name = f"layer1.{block}"
        yield from conv_norm(f"{name}.conv1", f"{name}.bn1", 256 if block else 64, 64, 1)
        yield from conv_norm(f"{name}.conv2", f"{name}.bn2", 64, 64, 3)
        yield from conv_norm(f"{name}.conv3", f"{name}.bn3", 64, 256, 1)
        if not block:
            yield from conv_norm(f"{name}.downsample.0", f"{name}.downsample.1", 64, 256, 1)
    yield from conv_norm("transition1.0.0", "transition1.0.1", 256, widths[0], 3)
    yield from conv_norm("transition1.1.0.0", "transition1.1.0.1", 256, widths[1], 3)
    yield from conv_norm("transition2.2.0.0", "transition2.2.0.1", widths[1], widths[2], 3)
    yield from conv_norm("transition3.3.0.0", "transition3.3.0.1", widths[2], widths[3], 3)
    for streams, count in zip((2, 3, 4), modules, strict=True):
        for module in range(count):
            yield from module_shapes(f"stage{streams}.{module}", widths[:streams])
    total = sum(widths)
    yield from mixing_shapes("aux_head" if ocr else "last_layer", total, classes)
    if ocr:
        yield from ocr_shapes(total, ocr, classes)


def mixing_shapes(name: str, total: int, classes: int) -> Shapes:
    yield from conv_norm(f"{name}.0", f"{name}.1", total, total, 1)
    yield f"{name}.0.bias", (total,)
    yield f"{name}.3.weight", (classes, total, 1, 1)
    yield f"{name}.3.bias", (classes,)


def ocr_shapes(total: int, width: int, classes: int) -> Shapes:
    """Of `lib/models/seg_hrnet_ocr.py`, where `BNReLU` is a `Sequential`."""
    yield from conv_norm("conv3x3_ocr.0", "conv3x3_ocr.1", total, width, 3)
    yield "conv3x3_ocr.0.bias", (width,)
    for part in ("f_pixel", "f_object"):
        base = f"ocr_distri_head.object_context_block.{part}"
        yield from conv_norm(f"{base}.0", f"{base}.1.0", width, width // 2, 1)
        yield from conv_norm(f"{base}.2", f"{base}.3.0", width // 2, width // 2, 1)
    for part, inputs, outputs in (("f_down", width, width // 2), ("f_up", width // 2, width)):
        base = f"ocr_distri_head.object_context_block.{part}"
        yield from conv_norm(f"{base}.0", f"{base}.1.0", inputs, outputs, 1)
    base = "ocr_distri_head.conv_bn_dropout"
    yield from conv_norm(f"{base}.0", f"{base}.1.0", 2 * width, width, 1)
    yield "cls_head.weight", (classes, width, 1, 1)
    yield "cls_head.bias", (classes,)


def module_shapes(name: str, widths: tuple[int, ...]) -> Shapes:
    for stream, width in enumerate(widths):
        for block in range(4):
            for layer in (1, 2):
                base = f"{name}.branches.{stream}.{block}"
                yield from conv_norm(f"{base}.conv{layer}", f"{base}.bn{layer}", width, width, 3)
    for i, target in enumerate(widths):
        for j, source in enumerate(widths):
            base = f"{name}.fuse_layers.{i}.{j}"
            if j > i:
                yield from conv_norm(f"{base}.0", f"{base}.1", source, target, 1)
            for k in range(i - j):
                outputs = target if k == i - j - 1 else source
                yield from conv_norm(f"{base}.{k}.0", f"{base}.{k}.1", source, outputs, 3)


def official_state(**choice: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.rand(shape, generator=generator).to(dtype(name)) for name, shape in official_shapes(**choice)}


def dtype(name: str) -> torch.dtype:
    return torch.int64 if name.endswith("num_batches_tracked") else torch.float32


def network(classes: int = 19) -> HRNetV2:
    return HRNetV2(classes, widths=WIDTHS)


@pytest.mark.parametrize("ocr", [0, 512])
def test_every_name_and_shape_of_the_official_w48_has_its_place(ocr: int) -> None:
    with torch.device("meta"):
        ours = HRNetV2(19, ocr_width=ocr or None)
    state = ours.state_dict()
    shapes = {name: tuple(state[own].shape) for name, own in official_key_map(ours).items()}
    assert shapes == dict(official_shapes((48, 96, 192, 384), ocr=ocr))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_the_official_names_is_read_to_the_last_weight(tmp_path: Path, suffix: str) -> None:
    state, path = official_state(), tmp_path / f"hrnet{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    net = network()
    report = load_official_state_dict(net, read_weights(path))
    assert set(report.loaded) == set(state)
    assert (report.missing, report.unused) == ((), ())
    ours = net.state_dict()
    assert all(torch.equal(ours[own], state[name]) for name, own in official_key_map(net).items())


def apply(state: dict[str, Tensor], conv: str, norm_name: str, maps: Tensor, stride: int = 1) -> Tensor:
    """A convolution and its norm in evaluation mode, by their official names."""
    kernel = state[f"{conv}.weight"]
    maps = functional.conv2d(maps, kernel, stride=stride, padding=kernel.shape[-1] // 2)
    parts = (state[f"{norm_name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(maps, *parts)


def test_a_bottleneck_computes_what_its_official_names_say() -> None:
    net, state = network().eval(), official_state()
    load_official_state_dict(net, state)
    maps = torch.rand(1, 64, 4, 5)
    found = apply(state, "layer1.0.conv1", "layer1.0.bn1", maps).relu()
    found = apply(state, "layer1.0.conv2", "layer1.0.bn2", found).relu()
    found = apply(state, "layer1.0.conv3", "layer1.0.bn3", found)
    found = (found + apply(state, "layer1.0.downsample.0", "layer1.0.downsample.1", maps)).relu()
    assert torch.allclose(net.front.stage1[0](maps), found, rtol=1e-5)


def test_a_chain_down_computes_what_its_official_names_say() -> None:
    net, state = network().eval(), official_state()
    load_official_state_dict(net, state)
    maps, name = torch.rand(1, WIDTHS[0], 8, 9), "stage3.2.fuse_layers.2.0"
    found = apply(state, f"{name}.0.0", f"{name}.0.1", maps, stride=2).relu()
    found = apply(state, f"{name}.1.0", f"{name}.1.1", found, stride=2)
    assert torch.allclose(net.front.stage3[2].fuse[2][0](maps), found, rtol=1e-5)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_wrapped_and_prefixed_checkpoints_are_unwrapped(prefix: str) -> None:
    wrapped = {"state_dict": {prefix + name: value for name, value in official_state().items()}, "epoch": 3}
    assert load_official_state_dict(network(), wrapped).missing == ()


def test_another_number_of_classes_keeps_its_own_classifier() -> None:
    net = network(classes=11)
    before = net.head.layers[3].weight.clone()
    report = load_official_state_dict(net, official_state())
    assert report.missing == ("last_layer.3.weight", "last_layer.3.bias")
    assert torch.equal(net.head.layers[3].weight, before)


def test_a_file_without_ocr_gives_an_ocr_network_its_body() -> None:
    report = load_official_state_dict(HRNetV2(19, widths=WIDTHS, ocr_width=8), official_state())
    assert report.missing and report.unused[0].startswith("last_layer.")


def test_an_imagenet_file_gives_the_body_and_what_it_has_beyond_is_named() -> None:
    state = {name: value for name, value in official_state().items() if not name.startswith("last_layer")}
    state["classifier.weight"] = torch.zeros(1000, 2048)
    report = load_official_state_dict(network(), state)
    assert report.unused == ("classifier.weight",)
    assert all(name.startswith("last_layer.") for name in report.missing)


def test_files_without_batch_counters_are_complete() -> None:
    state = {name: value for name, value in official_state().items() if "num_batches" not in name}
    assert load_official_state_dict(network(), state).missing == ()


def test_a_file_of_another_width_is_refused_by_name_and_shape() -> None:
    state = {name: torch.zeros(shape) for name, shape in official_shapes((18, 36, 72, 144))}
    with pytest.raises(
        CheckpointError, match=r"transition1.0.0.weight should have the shape \(4, 256, 3, 3\), the file has"
    ):
        load_official_state_dict(network(), state)


def test_a_file_that_lacks_a_weight_of_the_body_is_refused() -> None:
    state = official_state()
    del state["stage4.2.fuse_layers.3.0.1.0.weight"]
    with pytest.raises(CheckpointError, match=r"stage4.2.fuse_layers.3.0.1.0.weight .* no such weight"):
        load_official_state_dict(network(), state)
