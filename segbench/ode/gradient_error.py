"""How far a network's gradient is from the one that plain back-propagation through its solvers gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norms import frozen_statistics
from segbench.ode.block import ODEBlock


def gradient_relative_error(network: nn.Module, loss: Callable[[], Tensor]) -> float:
    """`|g - b| / |b|` over all parameters, with b the gradient when every ODE block back-propagates plainly.

    0 up to rounding for exact methods; above about 0.1 an approximate method's step is a guess. For `aca` it is the
    difference of two grids: b belongs to torchdiffeq's, which passes t_end and interpolates.
    The network is left as it was: no `.grad`, no running statistics, no counters, no random numbers drawn.

    Args:
        network: as it is trained, with its blocks' gradient methods.
        loss: runs the network on one batch, the same at each call.

    Raises:
        UserError: the network has no ODE block, or plain back-propagation gives a gradient of zero.
    """
    if not any(isinstance(module, ODEBlock) for module in network.modules()):
        raise UserError(f"{type(network).__name__} has no ODE block, so its gradient is the plain one")
    return error_against(network, loss, back_propagating(network))


def error_against(network: nn.Module, loss: Callable[[], Tensor], reference: AbstractContextManager[None]) -> float:
    """`|g - b| / |b|` over all parameters, with b the gradient within `reference`; the network is left as it was.

    Raises:
        UserError: b is zero.
    """
    found = _gradient(network, loss)
    with reference:
        expected = _gradient(network, loss)
    length = float(expected.norm())
    if length == 0:
        raise UserError("the loss has a gradient of zero, to which no error can be related")
    return float((found - expected).norm()) / length


def _gradient(network: nn.Module, loss: Callable[[], Tensor]) -> Tensor:
    """All parameters' gradients end to end, in float64, zero where the loss does not depend on one."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(), frozen_statistics(network), torch.enable_grad(), _counters_kept(network):
        gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(p) if g is None else g).flatten().double()
            for p, g in zip(parameters, gradients, strict=True)
        ]
    )


@contextmanager
def back_propagating(network: nn.Module) -> Iterator[None]:
    """Every ODE block is differentiated by plain back-propagation while this is open."""
    blocks = [module for module in network.modules() if isinstance(module, ODEBlock)]
    methods = [block.gradient for block in blocks]
    for block in blocks:
        block.use(gradient="backprop")
    try:
        yield
    finally:
        for block, method in zip(blocks, methods, strict=True):
            block.use(gradient=method)


@contextmanager
def _counters_kept(network: nn.Module) -> Iterator[None]:
    blocks = [module for module in network.modules() if isinstance(module, ODEBlock)]
    with_counts = [(block, block.counts) for block in blocks]
    for block in blocks:
        block.reset_nfe()
    try:
        yield
    finally:
        for block, counts in with_counts:
            block.counts = counts
