"""Stored traces of twenty networks, replayed here, against the memory that other people measured on GPUs.

`tests/estimate/published` has them as `benchmarks/published_memory.py` keeps them; the libraries are not needed.
"""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest

published_memory = pytest.importorskip("benchmarks.published_memory", reason="no benchmarks beside the tests")

from benchmarks.published.reasons import NOT_TRACED, reason  # noqa: E402
from benchmarks.published_memory import LIMIT, MEDIAN, WITHIN, Network, fitted, published, spread, subset  # noqa: E402
from segbench.estimate.intervals import FULL  # noqa: E402
from segbench.estimate.recorded import Recorded  # noqa: E402

TRACES = sorted((Path(__file__).parent / "published").glob("*.json.xz"))
REPORT = Path(__file__).resolve().parents[2] / "reports" / "2026-11-28-published-memory" / "networks.csv"


@pytest.fixture(scope="module")
def networks() -> list[Network]:
    items = {item.config: item for item in published()}
    return [
        Network(items[path.name[: -len(".json.xz")]], {}, Recorded.from_bytes(path.read_bytes())) for path in TRACES
    ]


def test_the_stored_ones_are_drawn_by_the_benchmark_from_twenty_families(networks: list[Network]) -> None:
    traced = [item for item in published() if not item.config.startswith(tuple(NOT_TRACED))]
    assert {network.item.config for network in networks} == {item.config for item in subset(traced, 20)}
    assert len({network.item.family for network in networks}) == 20


def test_a_replay_meets_the_published_number_within_5_percent_or_the_number_is_known_to_be_odd(
    networks: list[Network],
) -> None:
    far = {network.item.config for network in networks if abs(network.ratio - 1) > LIMIT}
    assert far == {network.item.config for network in networks if reason(network.item.config) != "unexplained"}
    assert len(far) == 2


def test_half_of_the_replays_are_within_the_claimed_median(networks: list[Network]) -> None:
    assert statistics.median(abs(network.ratio - 1) for network in networks) <= MEDIAN


def test_workspaces_add_to_what_tensors_take(networks: list[Network]) -> None:
    larger = [network for network in networks if network.allocated[1] > network.allocated[0]]
    assert {network.item.family for network in larger} >= {"CCNet", "DMNet", "NonLocalNet"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    if not REPORT.is_file():
        pytest.skip("no reports beside the tests, as in an installed package")
    with REPORT.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["ratio"]]


def test_the_report_keeps_the_claim_on_the_half_that_was_not_fitted(rows: list[dict[str, str]]) -> None:
    own = fitted(published())
    found = spread([float(row["ratio"]) for row in rows if row["network"] not in own])
    assert found["median absolute"] <= MEDIAN
    assert found["within 5 %"] >= WITHIN
    assert len(rows) >= 390
    assert len({row["family"] for row in rows}) >= 35


def test_every_network_far_off_has_a_reason(rows: list[dict[str, str]]) -> None:
    assert [
        row["network"] for row in rows if (abs(float(row["ratio"]) - 1) > LIMIT) != bool(row["why beyond 5 %"])
    ] == []


def test_the_interval_is_the_reports(rows: list[dict[str, str]]) -> None:
    real = {row["network"]: 1 / float(row["ratio"]) for row in rows}
    full = [
        real[row["network"]]
        for row in rows
        if "fp32" in row["conditions"] and row["network"] not in fitted(published())
    ]
    cuts = statistics.quantiles(full, n=20, method="inclusive")
    assert (FULL.low, FULL.high) == pytest.approx((cuts[0], cuts[-1]), abs=0.001)
    assert FULL.trainings == len(full)
    assert f"from {FULL.low} to {FULL.high} times" in FULL.source, "no digit is rounded away"
