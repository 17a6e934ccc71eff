from __future__ import annotations

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


def test_channels_last_is_warned_about() -> None:
    assert warned_about(nn.Conv2d(3, 8, 3), 2, 3, 8, 8, channels_last=True) == [prediction_warnings.CHANNELS_LAST]


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
