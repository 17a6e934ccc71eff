"""Orthogonal directions, AdamW for vectors, and PyTorch's own Muon as a witness."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn, optim

from segbench.workload.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 20), (2, 20, 6)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    orthogonal = orthogonalised(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    kept = left.mT @ orthogonal @ right.mT
    diagonal = kept.diagonal(dim1=1, dim2=2)
    assert diagonal[values > 0.1 * values.amax()].sub(1).abs().max() < 0.35
    assert (kept - torch.diag_embed(diagonal)).abs().max() < 1e-9


def test_a_matrix_of_zeros_stays_zero():
    assert not orthogonalised(torch.zeros(2, 4, 9)).any()


def moved(optimizer_of, parameter, steps=5):
    generator = torch.Generator().manual_seed(1)
    optimizer = optimizer_of([parameter])
    for _ in range(steps):
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return parameter.detach()


def test_vectors_move_as_with_adamw():
    ours = moved(lambda them: Muon(them, lr=0.01, weight_decay=0.1), nn.Parameter(torch.linspace(-1, 1, 9)))
    theirs = moved(lambda them: optim.AdamW(them, lr=0.01, weight_decay=0.1), nn.Parameter(torch.linspace(-1, 1, 9)))
    torch.testing.assert_close(ours, theirs)


def test_matrices_move_as_with_the_one_of_pytorch():
    pytorchs = pytest.importorskip("torch.optim._muon").Muon  # torch 2.9 and newer; it computes in bfloat16
    start = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    ours = moved(lambda them: Muon(them, lr=0.01, weight_decay=0.1), nn.Parameter(start.clone()))
    theirs = moved(
        lambda them: pytorchs(them, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        nn.Parameter(start.clone()),
    )
    change = (theirs - start).abs().max()
    assert (ours - theirs).abs().max() < 0.05 * change


def test_a_kernel_is_a_matrix_whatever_its_layout_and_shapes_may_mix():
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.ConvTranspose2d(4, 2, 2)
    )
    other = deepcopy(plain)
    other.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 12, 12)
    for network in (plain, other):
        optimizer = Muon(network.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            network(images).square().mean().backward()
            optimizer.step()
    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_closure_is_called_with_gradients_and_what_has_none_is_left_alone():
    seen, unseen = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))

    def closure():
        loss = seen.square().sum()
        loss.backward()
        return loss

    assert Muon([seen, unseen], lr=0.1, weight_decay=0.5).step(closure).item() == 6
    assert (seen < 1).all() and torch.equal(unseen, torch.ones(2, 3))


def test_parameters_may_be_empty_or_scalars():
    empty, scalar = nn.Parameter(torch.ones(0, 3)), nn.Parameter(torch.tensor(1.0))
    empty.grad, scalar.grad = torch.ones(0, 3), torch.tensor(1.0)
    Muon([empty, scalar], lr=0.1).step()
    assert scalar.item() == pytest.approx(0.9)


def test_it_keeps_half_the_memory_of_adamw_for_matrices():
    weight = nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([weight], lr=0.1)
    weight.grad = torch.ones(4, 4)
    optimizer.step()
    assert [value.shape for value in optimizer.state[weight].values()] == [weight.shape]
