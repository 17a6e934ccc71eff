"""A network that knows the answer, over a set of three tiny images of two sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from segbench.data import Sample
from segbench.errors import DataError, UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.files import load_evaluation, save_evaluation, save_image_iou
from segbench.evaluation.protocol import Protocol
from segbench.workload.outputs import OutputReader


class Tiles:
    """Images whose red channel is the class times 100; the first pixel is ignored."""

    classes = 3

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.labels = [rng.integers(0, 3, size).astype(np.uint8) for size in ((6, 8), (6, 8), (5, 9))]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        image = np.repeat(self.labels[index][..., None] * np.uint8(100), 3, 2)
        label = self.labels[index].copy()
        label[0, 0] = 255
        return Sample(image, label, f"tile{index}")


class Reader(nn.Module):
    """Reads the class back from the red channel; always says class 0 where `blind`."""

    def __init__(self, blind: bool = False) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.229 * 2.55))
        self.blind = blind

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        value = (images[:, 0] * self.level + 0.485 * 2.55).round().clamp(0, 2)
        value = value * 0 if self.blind else value
        return -torch.stack([(value - index).abs() for index in range(3)], 1)


def test_a_network_that_knows_the_answer_scores_one():
    found = evaluate(Reader(), Tiles(), Protocol(), boundary=True)
    assert found.confusion.miou() == 1
    assert found.confusion.counts.sum() == 6 * 8 * 2 + 5 * 9 - 3
    assert found.names == ("tile0", "tile1", "tile2")
    assert found.boundary is not None and found.boundary.mean_f_score == 1
    assert found.image_mean_miou() == 1


def test_the_batch_size_does_not_change_the_counts():
    one = evaluate(Reader(blind=True), Tiles(), Protocol(flip=True), batch_size=1)
    many = evaluate(Reader(blind=True), Tiles(), Protocol(flip=True), batch_size=8)
    assert np.array_equal(one.matrices, many.matrices)
    assert 0 < one.confusion.pixel_accuracy < 1


def test_shards_add_up_to_the_whole():
    whole = evaluate(Reader(blind=True), Tiles(), Protocol())
    shards = [evaluate(Reader(blind=True), Tiles(), Protocol(), indices=range(rank, 3, 2)) for rank in range(2)]
    assert np.array_equal(sum(shard.confusion.counts for shard in shards), whole.confusion.counts)


def test_the_network_is_left_in_the_mode_it_was_in():
    network = Reader().train()
    evaluate(network, Tiles(), Protocol())
    assert network.training


def test_every_answer_can_be_looked_at():
    seen = []
    evaluate(Reader(), Tiles(), Protocol(), observe=lambda sample, answer: seen.append((sample.name, answer)))
    assert [name for name, _ in seen] == ["tile0", "tile1", "tile2"]
    assert seen[2][1].dtype == np.uint8
    assert np.array_equal(seen[2][1], Tiles().labels[2])


def test_nothing_to_evaluate_is_an_empty_matrix():
    found = evaluate(Reader(), Tiles(), Protocol(), indices=[])
    assert found.matrices.shape == (0, 3, 3)
    assert np.isnan(found.confusion.miou())


def test_an_evaluation_survives_a_round_trip(tmp_path):
    found = evaluate(Reader(blind=True), Tiles(), Protocol(scales=(0.5, 1.0)), boundary=True)
    save_evaluation(found, tmp_path / "deep" / "evaluation.npz")
    again = load_evaluation(tmp_path / "deep" / "evaluation.npz")
    assert again.names == found.names
    assert np.array_equal(again.matrices, found.matrices)
    assert again.protocol == found.protocol
    assert again.boundary is not None and np.array_equal(again.boundary.counts, found.boundary.counts)


def test_the_iou_of_each_image_is_saved(tmp_path):
    found = evaluate(Reader(blind=True), Tiles(), Protocol())
    save_image_iou(found, ("a", "b", "c"), tmp_path / "images.csv")
    lines = (tmp_path / "images.csv").read_text().splitlines()
    assert lines[0] == "image,miou,a,b,c"
    assert float(lines[1].split(",")[1]) == pytest.approx(np.nanmean(found.image_iou[0]), abs=1e-6)


def test_a_file_that_is_no_evaluation_is_refused(tmp_path):
    (tmp_path / "x.npz").write_text("no")
    with pytest.raises(DataError, match="segbench evaluate"):
        load_evaluation(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"missing\.npz"):
        load_evaluation(tmp_path / "missing.npz")


class Spoilt(Reader):
    """Knows the answer, but one value of one class is no number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = super().forward(images)
        scores[0, 1, 2, 3] = self.value
        return scores


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "protocol", [Protocol(), Protocol(scales=(1.0, 2.0)), Protocol(scales=(1.0, 2.0), fusion="softmax_mean", flip=True)]
)
def test_a_network_that_answers_no_numbers_gets_no_score(value, protocol):
    if value == float("-inf") and protocol.fuses:
        pytest.skip("fused with a finite score, a value of -inf is a class that this scale rules out")
    with pytest.raises(UserError, match="Spoilt answers NaN or infinity for image tile0"):
        evaluate(Spoilt(value), Tiles(), protocol)


class Several(Reader):
    """The answer behind two maps that always say class 0."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        scores = super().forward(images)
        return [scores * 0, scores * 0, scores]


def test_the_last_of_a_list_is_scored():
    outputs = OutputReader(classes=3)
    assert evaluate(Several(), Tiles(), Protocol(), outputs=outputs).confusion.miou() == 1
    assert "the last of a list" in outputs.notes()[0]
    assert evaluate(Several(), Tiles(), Protocol(), outputs=OutputReader("0")).confusion.miou() < 0.5
