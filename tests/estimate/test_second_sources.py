"""Figures that other people published: the file holds what it must, and our own cards' are met as far as they were."""

from __future__ import annotations

import pytest

second_sources = pytest.importorskip("benchmarks.second_sources", reason="no benchmarks beside the tests")

from benchmarks.second_sources import COMPARED, Comparison, Figure, figures, predicted  # noqa: E402

FIGURES = figures()
COMPARABLE = [item for item in FIGURES if not item.not_comparable]


def test_every_figure_has_a_source_and_bytes_of_a_known_kind() -> None:
    for item in FIGURES:
        assert item.source
        assert item.where
        assert item.network
        assert item.figure in COMPARED
        assert item.bytes > 0
        assert item.mode in ("train", "infer")


def test_what_is_compared_has_every_condition_of_a_prediction() -> None:
    assert len(COMPARABLE) >= 25
    for item in COMPARABLE:
        assert item.conditions
        assert item.case.modes == (item.mode,)
        assert item.release == (item.torch or ("1.12" if item.network.startswith("mmseg:") else None))


def test_no_figure_stands_there_twice() -> None:
    assert len(set(FIGURES)) == len(FIGURES)


def test_words_choose_by_source_or_network() -> None:
    assert {item.source for item in figures(["milabench"])} == {"mila-iqia/milabench"}
    assert {item.network for item in figures(["fast_scnn"])} == {"mmseg:fast_scnn_8xb4-160k_cityscapes-512x1024"}
    assert figures(["no such word"]) == []


@pytest.mark.parametrize(("network", "within"), [("unet", 0.12), ("deeplabv3", 0.03), ("segnode-paper", 0.17)])
def test_allocated_bytes_of_our_own_cards_are_as_near_to_the_papers_training_memory_as_they_were(
    network: str, within: float
) -> None:
    """Nothing in the paper says how it read its memory, nor with which torch: the tolerance is the distance seen."""
    [item] = [item for item in COMPARABLE if item.network == network and item.mode == "train"]
    assert Comparison(item, predicted(item.case)).ratio("allocated") == pytest.approx(1, abs=within)


def test_only_the_kind_of_bytes_that_was_published_is_compared() -> None:
    seen = {"allocated": 1, "reserved": 2, "process": 3}
    ratios = {item.figure: Comparison(item, seen).ratios for item in COMPARABLE}
    assert [ratio is None for ratio in ratios["max_memory_allocated"]] == [False, True, True]
    assert [ratio is None for ratio in ratios["nvidia-smi"]] == [True, True, False]
    assert [ratio is None for ratio in ratios["unknown"]] == [False, True, False]


def test_conditions_are_told_in_words() -> None:
    known: Figure = next(item for item in COMPARABLE if item.published == "7369")
    assert known.described == "2 of 1024x1024, train, fp32, adamw, V100-SXM2-16GB, torch 1.8.1"
