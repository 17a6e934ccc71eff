from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.cards.model import find_model
from segbench.cards.sources import SOURCES, read_spec
from segbench.cards.spec import ModelSpec
from segbench.errors import UserError

HERE = Path.cwd()


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("segnode", ModelSpec("catalogue", "", "segnode")),
        ("hrnetv2+checkpoint", ModelSpec("catalogue", "", "hrnetv2", (), ("checkpoint",))),
        ("unet+checkpoint:a.*,b?+bf16", ModelSpec("catalogue", "", "unet", (), ("checkpoint:a.*,b?", "bf16"))),
        ("/c++/net.py:Net+compress:8bit", ModelSpec("python file", "/c++/net.py", "Net", (), ("compress:8bit",))),
        ("net.py:Net", ModelSpec("python file", str(HERE / "net.py"), "Net")),
        ("/a/net.py:Net", ModelSpec("python file", "/a/net.py", "Net")),
        ("a.b:Net?wide=true", ModelSpec("python module", "a.b", "Net", (("wide", True),))),
        ("/a/mine.toml+recompute", ModelSpec("card file", "/a/mine.toml", "mine", (), ("recompute",))),
        ("segnode?steps=8&norm=batch", ModelSpec("catalogue", "", "segnode", (("norm", "batch"), ("steps", 8)))),
        ("segnode?widths=[1, 2]+thin", ModelSpec("catalogue", "", "segnode", (("widths", [1, 2]),), ("recompute",))),
    ],
)
def test_a_networks_name_is_read(text: str, spec: ModelSpec) -> None:
    assert read_spec(text) == spec


words = st.text("abc xyz&+?=[1.\"'", max_size=6)
values = st.booleans() | st.none() | st.integers(-9, 9) | words | st.lists(st.integers(0, 9), max_size=3)
names = st.from_regex(r"[a-z]{1,4}", fullmatch=True)


@given(
    st.dictionaries(names, values, max_size=3),
    st.lists(st.sampled_from(["recompute", "checkpoint:budget=8GB"]), max_size=2),
)
def test_what_is_written_is_read_again(arguments: dict[str, object], optimisations: list[str]) -> None:
    spec = ModelSpec("catalogue", "", "segnode", tuple(sorted(arguments.items())), tuple(optimisations))
    assert read_spec(spec.text) == spec


def test_arguments_of_the_name_replace_the_cards_and_make_another_network() -> None:
    plain, other = find_model("segnode"), find_model("segnode?steps=2")
    assert other.card.arguments == {**plain.card.arguments, "steps": 2}
    assert (other.name, other.card.hash() == plain.card.hash()) == ("segnode?steps=2", False)


@pytest.mark.parametrize("text", ["segnode?steps", "segnode?=3", "segnode?t_end=nan"])
def test_an_argument_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_spec(text)


@pytest.mark.parametrize("text", ["segnode+chekpoint", "net.py:Net+recompute+chekpoint:sqrt"])
def test_a_memory_optimisation_that_does_not_exist_is_refused_with_near_names(text: str) -> None:
    with pytest.raises(UserError, match="no memory optimisation 'chekpoint'; did you mean checkpoint"):
        read_spec(text)


def test_published_names_have_no_folders() -> None:
    assert read_spec("/home/me/net.py:Net?a=1").published().text == "net.py:Net?a=1"
    assert read_spec("/home/me/mine.toml").published().text == "mine.toml"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_reads_what_it_claims_and_lists_only_what_it_finds(source: object) -> None:
    for name in source.names():  # type: ignore[attr-defined]
        assert find_model(name).card.builder
