"""The page as a file: whole, small, without a network, and safe whatever a name contains."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from segbench.present.formats import RATIO
from segbench.present.page.page import MOST_ROWS, page_html
from segbench.present.page.trajectory_viewer import trajectories
from segbench.present.report import Report, ReportReason
from segbench.present.table import Cell, table_of
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.rows import tidy_rows
from segbench.statistics.verdicts import Judgement

Make = Callable[..., Entry]
_VOID = {"meta", "link", "img", "input", "br"}


class Tags(HTMLParser):
    """Collects addresses, and fails where an element is closed that is not open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.names += [value or "" for name, value in attrs if name == "id"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(trajectory: Make, make_entry: Make) -> str:
    entries = [trajectory(), make_entry("net</script>", Measurement("parameters", 1e6, "counted"))]
    cell = Cell(1.19, RATIO, judgement=Judgement("contradicted", "why"))
    table = table_of("A table", ["network", "ratio"], [["unet", cell]], name="t")
    reason = ReportReason("Test time", "`segbench params` counts <b>254 GFLOP</b>", "a datasheet")
    report = Report(
        "Title & more", ["lead"], tables=[table], reasons=[reason], trajectories=trajectories(entries),
        rows=tidy_rows(entries), facts=[("torch", "2.13.0")],
    )  # fmt: skip
    return page_html(report)


def test_every_element_is_closed_and_every_name_is_unique(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert len(set(tags.names)) == len(tags.names)


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    assert {address[:5] for address in Tags(page).addresses} <= {"data:", "#meas", "#cont", "#reas", "#traj", "#tabl"}
    assert not re.search(r"url\(\s*['\"]?(?!data:)", page)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_names_cannot_end_the_script_or_become_elements(page: str) -> None:
    assert page.count("</script>") == 2
    assert "net&lt;/script&gt;" in page
    assert "<b>254" not in page


def test_backticks_become_code(page: str) -> None:
    assert "<code>segbench params</code> counts &lt;b&gt;" in page


def test_the_data_is_json_with_the_frames_as_images(page: str) -> None:
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    (data,) = json.loads(found[1])["trajectories"]
    assert [point["t"] for point in data["points"]] == [0.0, 0.5, 1.0]
    assert data["pictures"][0]["photo"].startswith("data:image/png;base64,")


def test_the_scripts_are_far_below_the_limit(page: str) -> None:
    """Pages carry at most 1.5 MB of script."""
    script = page[page.rindex("<script>") :]
    assert 10_000 < len(script) < 100_000


def test_sections_without_content_are_left_out(make_entry: Make) -> None:
    names = Tags(page_html(Report("Empty", []))).names
    assert not {"pareto", "timeline", "trajectory", "tables", "reasons"} & set(names)


def test_measurements_are_listed_with_every_text_once(page: str) -> None:
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    listed = json.loads(found[1])["measurements"]
    words, rows = listed["words"], listed["rows"]
    assert len(set(words)) == len(words)
    value, *places = rows[-1]
    assert (value, [words[place] for place in places][:5]) == (
        1e6, ["net</script>", "parameters", "count", "1,000,000", "counted"]
    )  # fmt: skip


def test_a_very_long_ledger_is_cut_and_says_so(make_entry: Make) -> None:
    row = tidy_rows([make_entry("unet", Measurement("parameters", 1e6, "counted"))])[0]
    page = page_html(Report("Long", [], rows=[row] * (MOST_ROWS + 5)))
    assert "5 more rows are in measurements.csv" in page


def test_verdict_marks_of_plain_tables_are_shown(page: str) -> None:
    assert re.search(r'data-verdict="contradicted"[^>]*>1.19<i>✗</i>', page)
