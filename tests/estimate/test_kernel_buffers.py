from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segbench.estimate.corrections import Target
from segbench.estimate.trace import StorageTrace


def most_alive(target: Target, softmax: bool) -> int:
    """Bytes at the peak of a softmax's backward pass, or a rectifier's."""
    with StorageTrace(target) as trace:
        scores = torch.empty(1000, device="meta", requires_grad=True)
        (functional.softmax(scores, 0) if softmax else functional.relu(scores)).backward(torch.empty_like(scores))  # type: ignore[no-untyped-call]
        return trace.log().peak[1]


def test_softmax_multiplies_gradient_and_result_first_on_cuda() -> None:
    assert most_alive("cuda", softmax=True) - most_alive("cpu", softmax=True) == 4000
    assert most_alive("cuda", softmax=False) == most_alive("cpu", softmax=False)


def test_binary_cross_entropy_has_a_map_beside_its_result_and_one_of_losses_where_they_are_averaged() -> None:
    def most(reduction: str) -> int:
        with StorageTrace() as trace, torch.no_grad():
            scores = torch.empty(1000, device="meta")
            loss: Tensor = functional.binary_cross_entropy_with_logits(scores, scores, reduction=reduction)
            assert loss is not None
            return trace.log().peak[1]

    assert most("none") == 3 * 4000
    assert most("mean") == 3 * 4000 + 4
