"""What a run carries from step to step, and how it is put into a checkpoint and taken out again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn, optim

from segbench.learning.checkpoint import Checkpoint
from segbench.learning.ema import Ema
from segbench.learning.optimizer import load_state_tensors, state_tensors
from segbench.learning.state_dicts import load_tensors, tensors_of


@dataclass
class TrainingState:
    """A training at one moment. Random numbers are drawn anew from (seed, step), so no generator is part of it.

    Attributes:
        network, optimizer, scaler: with their own memory.
        ema: the running mean of the weights, if the recipe has one.
        step: steps done.
        seconds: of the budget's clock.
        scores: of the last validation.
        best: the best of the decisive score so far, and `best_step` when it was reached.
        loss_sum: sum of the losses since the log's last row, float64 and on the device, so that no step waits for it.
        loss_count: how many they are.
        row_seconds: the clock at the log's last row.
    """

    network: nn.Module
    optimizer: optim.Optimizer
    scaler: torch.amp.GradScaler
    ema: Ema | None
    loss_sum: Tensor
    loss_count: int = 0
    step: int = 0
    seconds: float = 0.0
    row_seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    best: float = -math.inf
    best_step: int = 0

    def checkpoint(self, facts: Mapping[str, Any]) -> Checkpoint:
        """Everything needed to go on."""
        tensors = {f"model/{name}": value for name, value in tensors_of(self.network).items()}
        tensors |= {f"optimizer/{name}": value for name, value in state_tensors(self.optimizer).items()}
        tensors["loss_sum"] = self.loss_sum
        if self.ema is not None:
            tensors |= {f"ema/{name}": value for name, value in self.ema.tensors.items()}
        own = {
            "step": self.step,
            "seconds": self.seconds,
            "row_seconds": self.row_seconds,
            "scores": self.scores,
            "best": self.best if math.isfinite(self.best) else None,
            "best_step": self.best_step,
            "loss_count": self.loss_count,
            "ema_updates": self.ema.updates if self.ema else 0,
            "scaler": self.scaler.state_dict(),
        }
        return Checkpoint(tensors, {**facts, "kind": "training", **own})

    def best_checkpoint(self, facts: Mapping[str, Any]) -> Checkpoint:
        """The weights to evaluate alone, under the network's own names."""
        tensors = self.ema.tensors if self.ema is not None else tensors_of(self.network)
        own = {"step": self.step, "seconds": self.seconds, "scores": self.scores}
        return Checkpoint(dict(tensors), {**facts, "kind": "weights", **own})

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes up where a checkpoint of the same network and recipe stands."""
        load_tensors(self.network, checkpoint.part("model"))
        load_state_tensors(self.optimizer, checkpoint.part("optimizer"))
        facts = checkpoint.facts
        if self.ema is not None:
            for name, value in checkpoint.part("ema").items():
                self.ema.tensors[name].copy_(value)
            self.ema.updates = facts["ema_updates"]
        if facts["scaler"]:
            self.scaler.load_state_dict(facts["scaler"])
        self.loss_sum.copy_(checkpoint.tensors["loss_sum"])
        self.loss_count, self.step = facts["loss_count"], facts["step"]
        self.seconds, self.row_seconds, self.scores = facts["seconds"], facts["row_seconds"], facts["scores"]
        self.best = -math.inf if facts["best"] is None else facts["best"]
        self.best_step = facts["best_step"]
