from __future__ import annotations

import pytest
import torch

from segbench.estimate.corrections import like
from segbench.estimate.trace import StorageTrace


@pytest.fixture
def trace() -> StorageTrace:
    return StorageTrace("cpu")


def test_small_tensors_of_known_content_have_their_values(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        times = torch.tensor([0.0, 0.5, 1.0], device="meta")
        steps = (times[1:] - times[:-1]).sum()
        assert steps.item() == 1.0
        assert bool((times[1:] > times[:-1]).all())
        assert times.tolist() == [0.0, 0.5, 1.0]
        assert torch.arange(0, 4, device="meta").cpu().tolist() == [0, 1, 2, 3]
    assert not trace.mirrors.assumptions


def test_values_follow_writes_through_views(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        grid = torch.zeros(4, device="meta")
        grid[-1] = 7
        grid[:2].add_(1)
        assert grid.tolist() == [1, 1, 0, 7]


def test_shapes_that_depend_on_values_work_where_the_values_are_known(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        numbers = torch.tensor([3, 1, 3, 2], device="meta")
        assert numbers.unique().shape == (3,)
        assert (numbers == 3).nonzero().shape == (2, 1)


def test_empty_memory_is_known_only_once_it_is_filled(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        buffer = torch.empty(3, device="meta")
        assert buffer.sum().item() == 1.0, "assumed"
        buffer.fill_(2)
        assert buffer.sum().item() == 6.0, "known"
    assert sum(trace.mirrors.assumptions.values()) == 1


def test_what_depends_on_large_tensors_is_assumed_and_reported_with_its_line(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        image = torch.randn(3, 200, 200, device="meta")
        assert bool(image.isfinite().all())
        assert image.mean().item() == 1.0
        assert int(image.argmax()) == 1
        assert image.cpu().sum() == 0
    assert len(trace.mirrors.assumptions) == 3
    assert all(place.startswith("test_mirrors.py:") for place in trace.mirrors.assumptions)


def test_an_unknown_value_written_into_a_known_tensor_makes_it_unknown(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        known = torch.ones((), device="meta")
        known.mul_(torch.randn(200, 200, device="meta").mean())
        assert known.item() == 1.0
    assert trace.mirrors.assumptions


def test_a_dead_storage_does_not_lend_its_value_to_the_next_at_its_address(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        for number in range(200):
            value = torch.full((), float(number), device="meta")
            assert value.item() == number
            del value
            hollow = torch.empty((), device="meta")
            assert hollow.item() == 1.0
            del hollow


def test_tensors_on_the_cpu_are_left_alone(trace: StorageTrace) -> None:
    with like("cpu"), trace:
        assert torch.ones(3).sum().item() == 3
    assert trace.log().events == ()
