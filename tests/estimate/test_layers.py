"""Layers whose kernels surprise, one at a time, against real runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.estimate.test_step import real_peak, traced
from tests.estimate.test_worst_case import With


def unfolded(features: Tensor) -> Tensor:
    """Patches of 3x3 by `im2col`; the backward pass sums them on storage as large as all patches."""
    patches = functional.unfold(features, 3, padding=1)
    return features + patches.unflatten(1, (features.shape[1], 9)).mean(2).view_as(features)


def folded(features: Tensor) -> Tensor:
    return functional.fold(functional.unfold(features, 3, padding=1) * 2, features.shape[2:], 3, padding=1)


def windows(features: Tensor) -> Tensor:
    return functional.pad(features, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1).mean((-1, -2))


def real_spectrum(features: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(features) * 2, s=features.shape[-2:])


def spectrum(features: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.fft2(features) * (1 + 1j)).real


LAYERS: list[Callable[[Tensor], Tensor]] = [unfolded, folded, windows, real_spectrum, spectrum]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_predicted_live_bytes_equal_a_real_run(layer: Callable[[Tensor], Tensor], mode: str) -> None:
    def build() -> nn.Module:
        return With(layer)

    assert traced(build, mode, batch=4, target="cpu").log.peak[1] == pytest.approx(real_peak(build, mode, 4), rel=1e-3)


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_predicted_live_bytes_equal_a_real_run_with_channels_last(mode: str) -> None:
    def build() -> nn.Module:
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(16, 3, 1),
        )
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    assert traced(build, mode, batch=4, target="cpu").log.peak[1] == pytest.approx(real_peak(build, mode, 4), rel=1e-3)
