"""Table 1: every row of the paper, each cell measured, published or missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from segbench.cards.catalogue import model_sets
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.catalogue import paper_cards
from segbench.studies.table1 import TABLE1_ROWS, table1

Score = Callable[..., Entry]


@pytest.fixture
def score(make_entry: Callable[..., Entry]) -> Score:
    def make(model: str, miou: float, dataset: str = "camvid", split: str = "val", task: str = "evaluate") -> Entry:
        case = Case(task, model, dataset=dataset, split=split, modes=("infer",))
        return make_entry(model, Measurement("miou", miou, "measured:host"), case=case)

    return make


def test_all_nine_rows_are_there_and_what_nobody_published_is_missing() -> None:
    table = table1([], paper_cards())
    assert [row[0].value for row in table.rows] == list(TABLE1_ROWS)
    standings = [cell.standing for cell in table.cells.values()]
    assert (standings.count("published"), standings.count("missing")) == (30, 6)


@pytest.mark.parametrize(
    ("row", "dataset", "printed"),
    [("hrnetv2", "cityscapes", "81.6 %"), ("unode", "camvid", "77.3 %"), ("nodes-unet", "lip", "52.9 %"),
     ("segnode-ocr", "pascal-context", "56.2 %"), ("segnode-ocr-mapillary", "cityscapes", "84.5 %")],
)  # fmt: skip
def test_the_papers_numbers_stand_in_their_cells(row: str, dataset: str, printed: str) -> None:
    paper = table1([], paper_cards()).cells[row, dataset].paper
    assert paper is not None and paper.text == printed


def test_a_score_without_imagenet_pretraining_is_not_comparable(score: Score) -> None:
    cell = table1([score("hrnetv2", 0.60)], paper_cards()).cells["hrnetv2", "camvid"]
    assert (cell.text, cell.standing) == ("60.0 %", "measured")
    assert cell.judgement is not None
    assert cell.judgement.verdict == "not comparable"
    assert "ImageNet" in cell.judgement.why
    assert "scored on val, not on test" in cell.judgement.why


def test_small_networks_of_the_ledger_get_rows_of_their_own(score: Score) -> None:
    table = table1([score("segnode-w8", 0.573), score("segnode-w8", 0.31, "pascal-context-59")], paper_cards())
    assert table.rows[-1][0].text == "segnode-w8 (ours)"
    assert table.cells["segnode-w8", "camvid"].value == 0.573
    assert table.cells["segnode-w8", "pascal-context"].value == 0.31


def test_trainings_told_apart_have_rows_and_the_papers_row_has_the_newest(score: Score) -> None:
    seeds = [replace(score("hrnetv2", value), model=f"hrnetv2 {seed}") for seed, value in (("a", 0.6), ("b", 0.7))]
    cells = table1(seeds, paper_cards()).cells
    found = [cells[row, "camvid"].value for row in ("hrnetv2", "hrnetv2 a", "hrnetv2 b")]
    assert found == [0.7, 0.6, 0.7]


def test_scores_of_half_solved_networks_and_of_other_data_are_left_out(score: Score) -> None:
    table = table1([score("segnode-w8", 0.5, task="trajectory"), score("unet", 0.5, "synthetic")], paper_cards())
    assert [row[0].value for row in table.rows] == list(TABLE1_ROWS)


def test_a_score_on_the_images_of_the_training_is_none(score: Score) -> None:
    entries = [
        score("segnode-w8", 0.61),
        score("segnode-w8", 0.73, split="train"),
        score("unet-w8", 0.7, split="train"),
    ]
    table = table1(entries, paper_cards())
    assert table.cells["segnode-w8", "camvid"].value == 0.61
    assert ("unet-w8", "camvid") not in table.cells


def test_a_score_of_one_class_stands_below_the_table(score: Score) -> None:
    table = table1([score("level-set-node-small", 0.9, "camvid:target=road")], paper_cards())
    assert [row[0].value for row in table.rows] == list(TABLE1_ROWS)
    assert "stands in no column: camvid:target=road, 90.0 %" in table.notes[-1]


def test_the_set_has_every_row_that_is_not_pretrained_on_mapillary() -> None:
    """The set trains segnode; the row, for the paper's costs too, is the network as the paper solved it."""
    rows = [card for _, card in TABLE1_ROWS.values() if card]
    assert [card.removesuffix("-paper") for card in rows] == model_sets()["table1"]


def test_every_cell_without_a_number_says_why() -> None:
    cells = table1([], paper_cards()).cells
    why = {key: cell.judgement.why for key, cell in cells.items() if cell.judgement}
    assert len(why) == len(cells)
    assert "not trained" in why["segnode-ocr", "camvid"]
    assert "Mapillary" in why["segnode-ocr-mapillary", "cityscapes"]
    assert why["segnode-ocr-mapillary", "lip"] == "nothing was published"


def test_a_network_trained_on_other_data_is_not_the_papers(score: Score) -> None:
    def trained_on(dataset: str | None) -> Entry:
        entry = score("hrnetv2", 0.3)
        detail = {"trained_on": dataset, "images": 101, "protocol": {"name": "single"}}
        return replace(entry, measurements=(replace(entry.measurements[0], detail=detail),))

    assert table1([trained_on("synthetic")], paper_cards()).cells["hrnetv2", "camvid"].value is None
    assert table1([trained_on("camvid:size=240x180")], paper_cards()).cells["hrnetv2", "camvid"].value == 0.3
    assert table1([trained_on(None)], paper_cards()).cells["hrnetv2", "camvid"].value == 0.3
