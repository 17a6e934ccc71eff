from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from segbench.estimate import prediction_warnings
from segbench.estimate.corrections import like
from segbench.estimate.trace import StorageTrace


def warned_about(run: nn.Module, *shape: int, channels_last: bool = False) -> list[str]:
    trace = StorageTrace("cuda")
    with like("cuda"), trace:
        inputs = torch.randn(shape, device="meta")
        if channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        run.to("meta")(inputs)
    return trace.warnings.sentences


def test_an_ordinary_network_brings_no_warning() -> None:
    assert warned_about(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), 2, 3, 8, 8) == []


def test_batch_norm_on_channels_last_is_warned_about() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    assert warned_about(network, 2, 3, 8, 8, channels_last=True) == [prediction_warnings.CHANNELS_LAST]


def test_channels_last_without_batch_norm_is_not() -> None:
    assert warned_about(nn.Conv2d(3, 8, 3), 2, 3, 8, 8, channels_last=True) == []
    assert (
        warned_about(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8).eval()), 2, 3, 8, 8, channels_last=True) == []
    )


def test_recurrent_and_compiled_parts_are_warned_about() -> None:
    warnings = prediction_warnings.PredictionWarnings()
    warnings.look_at_modules(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))
    assert warnings.sentences == []
    compiled = nn.ReLU()
    compiled.compile()
    warnings.look_at_modules(nn.Sequential(nn.LSTM(4, 4), compiled))
    assert warnings.sentences == [prediction_warnings.RECURRENT, prediction_warnings.COMPILED]


def test_a_wrapped_compiled_module_is_warned_about() -> None:
    warnings = prediction_warnings.PredictionWarnings()
    warnings.look_at_modules(nn.Sequential(torch.compile(nn.ReLU())))
    assert warnings.sentences == [prediction_warnings.COMPILED]


def looked_at(name: str, *args: Any) -> list[str]:
    """What is said of an operator that is looked at alone."""
    namespace = name.partition("::")[0]
    warnings = prediction_warnings.PredictionWarnings()
    operator = SimpleNamespace(namespace=namespace, _schema=SimpleNamespace(name=name))
    warnings.look_at(operator, args)
    return warnings.sentences


def test_torchvisions_operators_are_known_but_for_deformable_convolutions() -> None:
    tensor = torch.empty(1)
    assert looked_at("torchvision::_cuda_version") == looked_at("torchvision::nms", tensor) == []
    assert looked_at("torchvision::deform_conv2d", tensor)
    assert looked_at("mine::version") == []
    assert looked_at("mine::attend", tensor)


def test_operators_of_others_is_warned_about() -> None:
    @torch.library.custom_op("segbench_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @twice.register_fake
    def _(x: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(x)

    class Uses(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return twice(inputs)  # type: ignore[no-any-return]

    (sentence,) = warned_about(Uses(), 2, 3)
    assert "segbench_test" in sentence


def test_an_unknown_release_of_torch_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "3.1.0")
    assert "torch 3.1" in prediction_warnings.PredictionWarnings().sentences[0]
