"""LaTeX that compiles as it is: booktabs, and no sign that LaTeX would read as a command."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from segbench.present.latex import escaped, to_latex
from segbench.present.table import table_of

ROWS = [["hrnetv2_w48", "27.1 GB (1.19) ✗"], ["  paper", "50 %"]]
TABLE = table_of("Cost & accuracy", ["network", "training\nmemory"], ROWS, ["a #1 note"], name="table2")


def test_a_table_has_three_rules_a_caption_and_a_label() -> None:
    text = to_latex(TABLE)
    for part in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\caption{Cost \& accuracy}",
        r"\label{tab:table2}",
        "{lr}",
    ):
        assert part in text


def test_headings_rows_and_notes_are_set() -> None:
    text = to_latex(TABLE)
    assert r"network & training memory \\" in text
    assert r"hrnetv2\_w48 & 27.1 GB (1.19) $\times$ \\" in text
    assert r"\quad paper & 50 \% \\" in text
    assert r"\footnotesize a \#1 note" in text


@given(st.text("ab &%$#_{}~^\\<>|✓≈✗∅·±µ\n", max_size=30))
def test_nothing_is_left_that_latex_would_read_as_a_command(text: str) -> None:
    known = (
        r"\\textbackslash\{\}|\\text(asciitilde|asciicircum|less|greater|bar|mu|dagger)\{\}|\\[&%$#_{},]|\$\\\w+\$|\\pm"
    )
    assert not set(re.sub(known, "", escaped(text))) & set("\\&%$#_{}~^\n")
