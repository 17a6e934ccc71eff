"""The stream of images: every one equally often, the same for one process and for many."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from segbench.cards.card import Recipe
from segbench.data import Sample
from segbench.errors import DataError, UserError
from segbench.learning.feed import Feed, HeldSamples, LabelledAugmenter, TrainingBatch, batches, fits_in_memory
from segbench.learning.plan import TrainingPlan

CPU = torch.device("cpu")


class Greys:
    """Seven images, each of one grey level that names it."""

    classes = 2

    def __init__(self, count: int = 7) -> None:
        self._count = count
        self.reads = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return Sample(np.full((12, 16, 3), index * 10, np.uint8), np.full((12, 16), index % 2, np.uint8), str(index))


def plan(**changes: object) -> TrainingPlan:
    values: dict[str, object] = {"recipe": Recipe(batch_size=4), "width": 8, "height": 6, "steps": 10, **changes}
    return TrainingPlan(**values)  # type: ignore[arg-type]


def feed(settings: TrainingPlan, count: int = 7) -> Feed:
    return Feed(LabelledAugmenter(Greys(count), settings), settings.seed)


def take(
    settings: TrainingPlan, steps: int, start: int = 0, rank: int = 0, world: int = 1
) -> list[list[TrainingBatch]]:
    stream = batches(feed(settings), settings, start, CPU, rank, world)
    return [next(stream) for _ in range(steps)]


def seen(steps: list[list[TrainingBatch]]) -> list[int]:
    return [int(image[0, 0, 0]) // 10 for parts in steps for part in parts for image in part.images]


def test_every_image_is_used_once_an_epoch_also_where_the_batch_does_not_divide_the_set():
    order = seen(take(plan(), 7))
    assert all(Counter(order[i : i + 7]) == Counter(range(7)) for i in range(0, 28, 7))
    assert order[:7] != order[7:14]


def test_a_batch_larger_than_the_set_goes_on_into_the_next_epoch():
    order = seen(take(plan(recipe=Recipe(batch_size=16)), 1))
    assert Counter(order[:7]) == Counter(range(7)) and len(order) == 16


def test_a_stream_that_is_taken_up_later_shows_the_same_pixels():
    whole = take(plan(), 5)
    later = take(plan(), 2, start=3)
    for one, other in zip(whole[3:], later, strict=True):
        assert torch.equal(one[0].inputs(), other[0].inputs())
        assert torch.equal(one[0].targets, other[0].targets)


def test_processes_and_parts_share_a_batch_without_changing_it():
    whole = take(plan(), 2)
    shared = [take(plan(accumulate=2), 2, rank=rank, world=2) for rank in range(2)]
    for step in range(2):
        parts = torch.cat([part.inputs() for rank in range(2) for part in shared[rank][step]])
        assert len(shared[0][step]) == 2
        assert torch.equal(parts, whole[step][0].inputs())


def test_another_seed_is_another_stream():
    assert seen(take(plan(seed=1), 3)) != seen(take(plan(seed=2), 3))


def test_workers_give_the_same_batches():
    alone, with_workers = take(plan(), 3), take(plan(workers=2), 3)
    for one, other in zip(alone, with_workers, strict=True):
        assert torch.equal(one[0].inputs(), other[0].inputs())


class Damaged(Greys):
    def __getitem__(self, index: int) -> Sample:
        raise DataError("b.png: it is empty")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_keeps_its_sentence_on_the_way_from_a_worker(workers):
    settings = plan(workers=workers)
    stream = batches(Feed(LabelledAugmenter(Damaged(), settings), 0), settings, 0, CPU)
    with pytest.raises(DataError) as caught:
        next(stream)
    assert str(caught.value) == "b.png: it is empty"


def test_inputs_can_be_stored_as_nhwc():
    batch = take(plan(), 1)[0][0]
    assert batch.inputs(channels_last=True).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch.inputs(channels_last=True), batch.inputs())


def test_held_samples_are_read_once():
    greys, told = Greys(), []
    held = HeldSamples(greys, lambda done, total: told.append((done, total)))
    assert [held[index].name for index in (3, 3, 0)] == ["3", "3", "0"]
    assert greys.reads == 7 and told[-1] == (7, 7) and len(held) == 7 and held.classes == 2


def test_camvid_is_held_and_cityscapes_is_not():
    assert fits_in_memory(367, 480, 360)
    assert not fits_in_memory(2975, 2048, 1024)


def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can():
    with pytest.raises(UserError, match="multiple of 6"):
        next(batches(feed(plan()), plan(accumulate=2), 0, CPU, 0, 3))


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match="empty"):
        feed(plan(), count=0)
