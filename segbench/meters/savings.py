"""What a network's memory optimisations cost in exactness and in operations, against plain back-propagation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from segbench.memory_optimisations.switch import without_savings
from segbench.meters.operations import count_operations
from segbench.ode.gradient_error import back_propagating, error_against


def savings_error(network: nn.Module, loss: Callable[[], Tensor]) -> float:
    """`|g - b| / |b|` over all parameters, with b the same network's gradient when autograd keeps everything.

    A switch that makes another network is compared with that network; an ODE with its discrete solution.

    Args:
        loss: runs the network on one batch, the same at each call.

    Raises:
        UserError: a gradient of zero.
    """
    return error_against(network, loss, _plainly(network))


def extra_macs(network: nn.Module, loss: Callable[[], Tensor]) -> float:
    """Multiply-accumulates of operators of the forward pass in one training step, beyond plain back-propagation's.

    As a share of one forward pass: 1 is all of it once more. Gradients' own products cancel, as both steps have them.
    """
    step = _step_macs(network, loss)
    with _plainly(network):
        plain, forward = _step_macs(network, loss), count_operations(network, loss).total_macs
    return (step - plain) / forward


@contextmanager
def _plainly(network: nn.Module) -> Iterator[None]:
    with without_savings(network), back_propagating(network):
        yield


def _step_macs(network: nn.Module, loss: Callable[[], Tensor]) -> int:
    def step() -> None:
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        torch.autograd.grad(loss(), parameters, allow_unused=True)

    return count_operations(network, step).total_macs
