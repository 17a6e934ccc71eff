"""What segbench offers to Python programs; import it from `segbench` itself."""

from __future__ import annotations

import copy

import torch
from torch import nn

from segbench.cards.card import Recipe
from segbench.cards.model import find_model
from segbench.estimate.allocator import replay
from segbench.estimate.overheads import Overheads
from segbench.estimate.prediction import Prediction, summarise
from segbench.estimate.step import trace_step
from segbench.libraries.traits import traits_of
from segbench.records.case import Case, Json
from segbench.records.options import Assumptions
from segbench.records.rows import read_ledger
from segbench.workload.images import batch_source
from segbench.workload.network import build_from_card, require_classes
from segbench.workload.optimizer import build_optimizer
from segbench.workload.outputs import OutputReader
from segbench.workload.step import Workload

__all__ = ["build_network", "predict_memory", "read_ledger"]


def build_network(model: str, classes: int = 11, **arguments: Json) -> nn.Module:
    """The network that a model card describes.

    Args:
        model: as for `--model`: a name of the catalogue, a card's file, `file.py:Name` or `package.module:Name`.
        classes: channels of the output.
        arguments: builder arguments that replace the card's.

    Raises:
        UnknownName: no such model card.
        CardError: the builder cannot be imported or refuses the arguments.

    >>> import torch
    >>> network = build_network("unet-w8", classes=5).eval()
    >>> tuple(network(torch.zeros(1, 3, 48, 64)).shape[:2])
    (1, 5)
    """
    return build_from_card(find_model(model).card, classes, arguments)


def predict_memory(
    network: nn.Module,
    batch_size: int,
    height: int,
    width: int,
    mode: str = "train",
    classes: int = 11,
    optimizer: str = "sgd",
    recipe: Recipe | None = None,
) -> Prediction:
    """The memory one step of a network would need on CUDA; nothing runs and the network is left as it is.

    Args:
        network: maps images `(N, 3, H, W)` to class scores, or has them in what it returns, as networks of libraries
            do; a copy of it is moved to `meta`.
        batch_size, height, width: of the images.
        mode: `train` (forward, cross-entropy, backward, optimizer) or `infer`.
        classes: of the labels, and of the network's scores.
        optimizer: `sgd`, `adamw`, `muon` or `none`.
        recipe: values of the optimizer; momentum decides whether SGD keeps a state.

    Raises:
        UserError: the network's scores are of another number of classes, or are none.

    >>> one, two = (predict_memory(build_network("unet-w8"), batch, height=48, width=64) for batch in (1, 2))
    >>> one.live < two.live < 2 * one.live
    True
    """
    name, device = type(network).__name__, torch.device("meta")
    case = Case("predict", name, batch_size=batch_size, height=height, width=width, classes=classes, device="none")

    def build() -> Workload:
        twin = copy.deepcopy(network).to(device)
        return Workload(
            case=case,
            network=twin,
            optimizer=build_optimizer(optimizer, recipe or Recipe(), twin.parameters()),
            device=device,
            batches=batch_source(case, device, traits_of(twin)),
            scaler=torch.amp.GradScaler("cpu", enabled=False),
            outputs=OutputReader.of(case, twin),
        )

    overheads = Overheads(convolutions=Assumptions().workspaces)
    traced = trace_step(build, mode, batch_size, overheads=overheads)
    if traced.classes is not None:
        require_classes(name, traced.classes, classes, f"give classes={traced.classes}")
    return summarise(traced, mode, batch_size, replay(traced.log), overheads)
