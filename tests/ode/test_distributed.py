"""Every gradient method under DistributedDataParallel: this file runs itself as two gloo processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.ode.block import ODEBlock
from segbench.ode.methods import GRADIENT_METHODS
from segbench.ode.state import State

_RANKS = 2
_SOLVERS = ("euler", "alf", "reversible-heun", "dopri5")
"""Between them they have every gradient method."""


class _Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = NormReluConv(4, 4, recompute=True, time_conditioned=True)

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.block(state[0], time),)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entry = nn.Conv2d(3, 4, 3)
        self.ode = ODEBlock(_Field())

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.ode((self.entry(images),))[0]
        return output


def _images(rank: int) -> Tensor:
    return torch.randn(2, 3, 7, 7, dtype=torch.double, generator=torch.Generator().manual_seed(rank))


def _loss(output: Tensor) -> Tensor:
    return output.sin().mean()


def _check(network: _Network, parallel: nn.Module, rank: int) -> None:
    """The averaged gradient is the mean of what each process's images give alone."""
    parameters = list(network.parameters())
    alone = [torch.autograd.grad(_loss(network(_images(r))), parameters) for r in range(_RANKS)]
    parallel.zero_grad()
    _loss(parallel(_images(rank))).backward()
    for parameter, *gradients in zip(parameters, *alone, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, torch.stack(gradients).mean(0), rtol=1e-10, atol=1e-12)


def _run(rank: int, meeting: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=_RANKS)
    network = _Network().double()
    parallel = DistributedDataParallel(network)
    for solver in _SOLVERS:
        for gradient in GRADIENT_METHODS[solver]:
            network.ode.use(solver=solver, gradient=gradient)
            _check(network, parallel, rank)
            print(solver, gradient)
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_every_gradient_method_averages_over_two_processes(tmp_path: Path) -> None:
    commands = [[sys.executable, __file__, str(rank), str(tmp_path / "meeting")] for rank in range(_RANKS)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in commands
    ]
    try:
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
        assert all(f"{solver} {gradient}" in output for solver in _SOLVERS for gradient in GRADIENT_METHODS[solver])


def test_the_four_solvers_have_every_gradient_method() -> None:
    assert {name for solver in _SOLVERS for name in GRADIENT_METHODS[solver]} == {
        n for m in GRADIENT_METHODS.values() for n in m
    }


if __name__ == "__main__":
    _run(int(sys.argv[1]), sys.argv[2])
