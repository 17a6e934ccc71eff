"""Muon: momentum with its matrices orthogonalised (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, optim

from segbench.workload.shards import part_of, unsharded

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Newton-Schulz coefficients of the source: five iterations bring what is above 0.003 of the norm to 0.68 to 1.2."""


class Muon(optim.Optimizer):
    """Matrices move by their orthogonalised momentum, everything of one dimension (norms, biases) by AdamW.

    A kernel counts as the matrix of its first axis by all others, `(C_out, C_in / groups x kernel)`. Its Nesterov
    momentum is replaced by the nearest orthogonal matrix, so that every direction is learned at the same pace, and
    scaled by `0.2 sqrt(max(rows, columns))`: elements then change as much as AdamW's do, and one learning rate serves
    both (Liu et al. 2025, arXiv 2502.16982). `torch.optim.Muon` does the same and takes matrices only; here those of
    one shape are orthogonalised together. One momentum a matrix is kept, half of AdamW's state; a step takes copies of
    the largest group of one shape for a moment.

    Args:
        parameters: tensors, or parameter groups.
        lr, weight_decay: of both; the decay is decoupled.
        momentum: of the matrices.
        betas, eps: AdamW's, of the others.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, object]],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas, "eps": eps}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient.

        Returns:
            What `closure` returned, called with gradients on; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None or not parameter.numel():
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                if parameter.ndim > 1:
                    alike[len(parameter), parameter.numel() // len(parameter)].append(parameter)
                else:
                    self._adam(parameter, group)
            for matrices in alike.values():
                self._orthogonal_step(matrices, group)
        return loss

    def _orthogonal_step(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """Moves parameters that are matrices of one shape."""
        changes = orthogonalised(torch.stack([self._momentum(one, group["momentum"]) for one in matrices]))
        pace = group["lr"] * 0.2 * max(changes.shape[1:]) ** 0.5
        for parameter, change in zip(matrices, changes, strict=True):
            parameter.sub_(part_of(change.view(parameter.shape), parameter), alpha=pace)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's, as a matrix; a sharded one is gathered, as all of it is needed to make it orthogonal."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum"]
        mean.lerp_(gradient, 1 - momentum)
        return unsharded(gradient.lerp(mean, momentum)).flatten(1)

    def _adam(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())  # a tensor, as checkpoints keep tensors
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        (first, second), mean, square = group["betas"], state["mean"], state["square"]
        state["step"] += 1
        step = float(state["step"])
        mean.lerp_(gradient, 1 - first)
        square.lerp_(gradient.square(), 1 - second)
        spread = (square / (1 - second**step)).sqrt_().add_(group["eps"])
        parameter.addcdiv_(mean, spread, value=-group["lr"] / (1 - first**step))


def orthogonalised(matrices: Tensor, iterations: int = 5) -> Tensor:
    """The orthogonal factor of each matrix, roughly: `U V^T` of its singular value decomposition `U S V^T`.

    Newton-Schulz iteration: products only, in the type that is given (the source takes bfloat16).

    Args:
        matrices: `(K, rows, columns)`.
        iterations: of the quintic.

    Returns:
        Same shape and type; singular values of 0 stay 0, tiny ones stay small.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).contiguous()
