"""The abstract's five percentages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.records.ledger import Entry
from segbench.studies.catalogue import paper_cards
from segbench.studies.claims import CLAIMS, claims_table
from segbench.studies.published import published_reference, raw_value
from segbench.studies.table2 import TABLE2_COLUMNS


def test_the_claims_follow_from_the_papers_own_table_2() -> None:
    cards = paper_cards()
    for claim in CLAIMS:
        column = next(column for column in TABLE2_COLUMNS if column.name == claim.column)
        numbers = [published_reference(cards[name], column.quantity) for name in ("segnode-paper", "hrnetv2")]
        segnode, hrnet = (raw_value(number) for number in numbers if number)
        ratio = hrnet / segnode if claim.reference_needs else segnode / hrnet
        assert 100 * (ratio - 1) == pytest.approx(claim.percent, abs=0.8)


def test_what_the_paper_claims_is_reproduced_by_its_own_numbers(
    paper_entries: Callable[..., list[Entry]], timed: Callable[..., Entry]
) -> None:
    times = [timed("hrnetv2", "latency_s", 0.048), timed("segnode-paper", "latency_s", 0.117)]
    times += [timed("hrnetv2", "epoch_s", 18.0, batch=24), timed("segnode-paper", "epoch_s", 34.0, batch=62)]
    table = claims_table([*paper_entries(), *times])
    assert table.tally() == {
        "reproduced": 5, "same direction": 0, "contradicted": 0, "not comparable": 0, "missing": 0
    }  # fmt: skip
    assert table.cells["train_memory", "segnode-paper"].text == "-57 %"
    assert table.cells["epoch_time", "segnode-paper"].text == "-47 %"


def test_ours_stand_beside_without_a_verdict(paper_entries: Callable[..., list[Entry]]) -> None:
    cell = claims_table(paper_entries()).cells["train_memory", "segnode"]
    assert (cell.text, cell.judgement) == ("-73 %", None)


def test_times_of_a_cpu_are_shown_and_not_judged(timed: Callable[..., Entry]) -> None:
    times = [timed("hrnetv2", "latency_s", 1.0, cuda=False), timed("segnode-paper", "latency_s", 2.0, cuda=False)]
    cell = claims_table(times).cells["test_time", "segnode-paper"]
    assert cell.text == "-50 %"
    assert cell.judgement is not None
    assert cell.judgement.verdict == "not comparable"


def test_the_sheet_names_every_claim_with_the_papers_percentage() -> None:
    assert [row[1] for row in claims_table([]).lines() if row[0].strip() == "paper"] == [
        "-57 % ·", "-42 % ·", "-68 % ·", "-47 % ·", "-59 % ·"
    ]  # fmt: skip
