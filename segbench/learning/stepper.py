"""One optimizer step over all parts of a batch, in one process or several."""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segbench.learning.distributed import World
from segbench.learning.feed import TrainingBatch
from segbench.learning.objective import Objective
from segbench.learning.plan import TrainingPlan
from segbench.learning.state import TrainingState
from segbench.workload.precision import autocast
from segbench.zoo import Moment, SupervisesItself


class Stepper:
    """Turns batches into better weights.

    Everything random in a step (dropout, a random state of the trajectory) is drawn from generators seeded with
    (seed, step), so a run that is continued draws what it would have drawn.

    Args:
        objective: the network and its loss, on its device.
        state: what is stepped.
        plan: precision, clipping, seed.
        world: gradients are summed over it.
    """

    def __init__(self, objective: Objective, state: TrainingState, plan: TrainingPlan, world: World) -> None:
        self._objective, self._state, self._plan, self._world = objective, state, plan, world
        varies = isinstance(objective.network, SupervisesItself)  # which weights a step trains
        self._shared = DistributedDataParallel(objective, find_unused_parameters=varies) if world.is_shared else None

    def step(self, parts: list[TrainingBatch], lr: float, progress: float) -> Tensor:
        """Forward and backward over the parts, clipping, one update.

        Args:
            parts: of the batch.
            lr: of the update.
            progress: share of the budget that is used, 0..1.

        Returns:
            The batch's mean loss over all processes, float64, on the device.
        """
        plan, number = self._plan, self._state.step
        torch.manual_seed(_seed(plan.seed, number, self._world.rank))
        moment = Moment(float(np.random.default_rng((plan.seed, number, 1)).random()), progress)
        weights = [self._objective.weight(part.targets) for part in parts]
        weight = self._world.sum(torch.stack(weights).sum())
        weight = weight.where(weight > 0, 1.0)  # no labelled pixel anywhere: the loss is 0, and so is its gradient
        self._objective.train()
        self._state.optimizer.zero_grad(set_to_none=True)
        losses = [self._backward(part, weight, moment, exchange=part is parts[-1]) for part in parts]
        self._update(lr)
        return self._world.sum(torch.stack(losses).sum())

    def _backward(self, part: TrainingBatch, weight: Tensor, moment: Moment, exchange: bool) -> Tensor:
        """Adds a part's gradients; processes exchange them with the last part."""
        module = self._shared or self._objective
        quiet = nullcontext() if exchange or self._shared is None else self._shared.no_sync()
        with quiet:
            with autocast(self._plan.precision, part.images.device):
                total = module(part.inputs(self._plan.channels_last), part.targets, moment)
            loss = cast(Tensor, total / weight)
            # DDP takes the mean of the processes' gradients, and the loss is a sum over the processes.
            self._state.scaler.scale(loss * self._world.size).backward()  # type: ignore[no-untyped-call]
        return loss.detach().double()

    def _update(self, lr: float) -> None:
        state, clip = self._state, self._plan.recipe.clip
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        if clip is not None:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.network.parameters(), clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        if state.ema is not None:
            state.ema.update(state.network)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
