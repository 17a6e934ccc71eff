"""Switch `recompute`: wherever norm, ReLU and convolution follow each other, keep one tensor for them instead of two.

Gradients are exact; 5 to 10 % more time. It reaches the layers of every `nn.Sequential`, across nested ones, and every
`NormReluConv`; a network that calls its layers by name in a `forward` of its own keeps them as they are.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segbench.layers.norm_relu_conv import NormReluConv, norm_relu_conv
from segbench.layers.norms import StageBatchNorm2d
from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.sequences import is_watched, layers_of, sequences_of
from segbench.memory_optimisations.switch import Saving, Switch


def recompute_norms(network: nn.Module) -> int:
    """Rewrites the network in place; parameters and names in the state dict stay.

    Returns:
        How many triples recompute now.
    """
    blocks = [module for module in network.modules() if isinstance(module, NormReluConv)]
    for block in blocks:
        block.recompute = True
    sequences = {
        sequence: len(_triples(layers_of(sequence))) for sequence in sequences_of(network, RecomputingSequential)
    }
    for sequence, triples in sequences.items():
        if triples:
            mix_in(RecomputingSequential, sequence)
    return len(blocks) + sum(sequences.values())


class RecomputingSequential(Saving, nn.Sequential):
    """Before an `nn.Sequential`: the same layers one after another, triples of them as recomputing nodes while
    training."""

    def forward(self, input: Tensor) -> Tensor:
        layers = layers_of(self)
        triples = _triples(layers) if self.training and self.saving else ()
        place = 0
        while place < len(layers):
            if place in triples:
                norm, _, conv = layers[place : place + 3]
                assert isinstance(conv, nn.Conv2d)
                input = norm_relu_conv(input, norm, conv, norm.weight, norm.bias, recompute=True)  # type: ignore[arg-type]
                place += 3
            else:
                input = layers[place](input)
                place += 1
        return input


def _triples(layers: list[nn.Module]) -> list[int]:
    """Places of the norms that a ReLU and a convolution follow; the three never overlap."""
    return [place for place in range(len(layers) - 2) if _is_triple(*layers[place : place + 3])]


def _is_triple(norm: nn.Module, relu: nn.Module, conv: nn.Module) -> bool:
    known = isinstance(norm, nn.GroupNorm | StageBatchNorm2d) or (
        isinstance(norm, nn.BatchNorm2d)
        and type(norm).forward is _BatchNorm.forward
        and norm.track_running_stats
        and norm.momentum is not None
    )
    plain_conv = type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return known and type(relu) is nn.ReLU and plain_conv and not any(map(is_watched, (norm, relu, conv)))


RECOMPUTE = Switch(
    "recompute",
    lambda network, _: recompute_norms(network),
    exact=True,
    works_on="norm, ReLU and convolution in a row, in nn.Sequential or NormReluConv",
)
