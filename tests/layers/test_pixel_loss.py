"""Losses of a handful of pixels by hand, and sums that any split of a batch leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from segbench.layers.pixel_loss import PixelLoss


def maps(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 3, 4, 5, generator=generator)
    labels = torch.randint(0, 3, (count, 4, 5), generator=generator)
    labels[0, :, :4] = 255
    return logits, labels


def mean(loss: PixelLoss, logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float(loss.total(logits, labels) / loss.weight(labels))


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0])])
def test_the_mean_is_that_of_pytorch(weights):
    logits, labels = maps()
    expected = functional.cross_entropy(logits, labels, weight=weights, ignore_index=255)
    assert mean(PixelLoss(weights), logits, labels) == pytest.approx(float(expected), rel=1e-5)


def test_a_gradient_has_the_layout_of_its_maps():
    logits, labels = maps()
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        source = logits.clone().requires_grad_()
        scores = source.to(memory_format=layout) * 1.0
        arriving = []
        scores.grad_fn.register_prehook(lambda gradients, kept=arriving: kept.append(gradients[0]))
        PixelLoss().total(scores, labels).backward()
        assert arriving[0].is_contiguous(memory_format=layout)
        found.append(source.grad)
    assert torch.equal(*found)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0])])
def test_parts_add_up_to_the_whole_where_means_of_means_would_not(weights):
    loss = PixelLoss(weights)
    logits, labels = maps()
    total = sum(float(loss.total(logits[i : i + 1], labels[i : i + 1])) for i in range(4))
    weight = sum(float(loss.weight(labels[i : i + 1])) for i in range(4))
    assert total / weight == pytest.approx(mean(loss, logits, labels), rel=1e-5)
    naive = np.mean([mean(loss, logits[i : i + 1], labels[i : i + 1]) for i in range(4)])
    assert naive != pytest.approx(total / weight, rel=1e-3)


@pytest.mark.parametrize("ohem", [False, True])
def test_a_part_without_labelled_pixels_weighs_nothing_and_has_gradients(ohem):
    loss = PixelLoss(ohem=ohem)
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    labels = torch.full((1, 2, 2), 255)
    total = loss.total(logits, labels)
    total.backward()
    assert float(total.detach()) == 0 and float(loss.weight(labels)) == 0
    assert logits.grad is not None and not logits.grad.any()


def test_hard_examples_are_those_with_a_small_probability_of_their_class():
    probabilities = torch.tensor([0.99, 0.95, 0.5, 0.2])
    logits = torch.stack([probabilities, 1 - probabilities]).log().view(1, 2, 1, 4)
    labels = torch.zeros(1, 1, 4, dtype=torch.long)
    expected = -(math.log(0.5) + math.log(0.2)) / 2
    assert mean(PixelLoss(ohem=True), logits, labels) == pytest.approx(expected, rel=1e-5)


def test_some_pixels_are_kept_even_where_all_are_easy():
    probabilities = torch.linspace(0.95, 0.999, 24)
    logits = torch.stack([probabilities, 1 - probabilities]).log().view(1, 2, 4, 6)
    labels = torch.zeros(1, 4, 6, dtype=torch.long)
    expected = -(math.log(probabilities[0]) + math.log(probabilities[1])) / 2  # a twelfth of 24
    assert mean(PixelLoss(ohem=True), logits, labels) == pytest.approx(expected, rel=1e-4)


def test_hard_examples_are_weighted_by_their_class():
    logits, labels = maps(1)
    labels = labels % 3
    weights = torch.tensor([0.5, 1.0, 2.0])
    losses = functional.cross_entropy(logits, labels, reduction="none")
    hard = losses >= -math.log(0.9)
    expected = (losses * weights[labels])[hard].sum() / weights[labels][hard].sum()
    assert mean(PixelLoss(weights, ohem=True), logits, labels) == pytest.approx(float(expected), rel=1e-5)
