from __future__ import annotations

import torch

from segbench.workload.outputs import OutputReader
from segbench.workload.relabelled import Relabelled


def test_probabilities_of_classes_that_count_as_one_are_summed() -> None:
    """Probabilities 1/2, 1/4, 1/8, 1/8; the first has no place, and nothing stands for class 1 of the data set."""
    scores = torch.tensor([8.0, 4.0, 2.0, 2.0]).log().view(1, 4, 1, 1)
    found = Relabelled([None, 0, 2, 2], 3)(scores).softmax(1).flatten()
    assert torch.allclose(found, torch.tensor([0.5, 0.0, 0.5]))


def test_the_answer_is_relabelled_before_it_is_enlarged() -> None:
    reader = OutputReader(classes=2, relabelled=Relabelled([2, 0], 3))
    answer = reader.logits(torch.tensor([3.0, -1.0]).view(1, 2, 1, 1), (2, 2))
    assert answer.shape == (1, 3, 2, 2)
    assert answer.argmax(1).unique().tolist() == [2]


def test_a_semantic_map_of_queries_is_summed_as_the_probabilities_that_it_holds() -> None:
    """One query, of class 0 by 0.6 and of the classes 1 and 2, which count as one, by 0.2 and 0.1."""
    classes = torch.tensor([0.6, 0.2, 0.1, 0.1]).log().view(1, 1, 4)
    reader = OutputReader(classes=3, relabelled=Relabelled([0, 1, 1], 2))
    answer = reader.logits({"class_queries_logits": classes, "masks_queries_logits": torch.zeros(1, 1, 1, 1)}, (1, 1))
    assert torch.allclose(answer.exp().flatten(), torch.tensor([0.3, 0.15]))


def test_what_no_query_sees_stays_finite_beside_what_one_is_sure_of() -> None:
    classes = torch.tensor([500.0, 0.0, 0.0]).view(1, 1, 3)
    masks = torch.tensor([500.0, -500.0]).view(1, 1, 1, 2)
    reader = OutputReader(classes=2, relabelled=Relabelled([0, 1], 2))
    answer = reader.logits({"class_queries_logits": classes, "masks_queries_logits": masks}, (1, 8))
    assert answer.isfinite().all() and answer.argmax(1).flatten()[:4].tolist() == [0, 0, 0, 0]
