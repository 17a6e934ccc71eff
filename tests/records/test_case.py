from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import UserError
from segbench.records.case import Case

values = st.recursive(
    st.integers() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)

cases = st.builds(
    Case,
    task=st.sampled_from(["memory", "latency"]),
    model=st.text(min_size=1, max_size=8),
    width=st.integers(1, 4000),
    batch_size=st.integers(1, 100),
    modes=st.sampled_from([("train",), ("infer",), ("train", "infer")]),
    arguments=st.dictionaries(st.text(max_size=4), values, max_size=3).map(lambda pairs: tuple(sorted(pairs.items()))),
    data_root=st.none() | st.text(max_size=5),
)


@given(cases)
def test_a_case_survives_the_pipe(case: Case) -> None:
    again = Case.from_json(json.loads(json.dumps(case.to_json())))
    assert again == case and hash(again) == hash(case)


@given(cases)
def test_equal_cases_have_equal_keys(case: Case) -> None:
    again = Case.from_json(case.to_json())
    assert again.key("card", "cpu", "2.13") == case.key("card", "cpu", "2.13")


def test_the_place_of_the_data_is_no_factor() -> None:
    here, there = (Case("memory", "unet", dataset="camvid", data_root=root) for root in ("/a", "/b"))
    assert here.key("c", "d", "t") == there.key("c", "d", "t")


def test_only_what_differs_from_the_default_is_a_factor() -> None:
    assert Case("memory", "unet", batch_size=4).factors() == {"task": "memory", "model": "unet", "batch_size": 4}


@pytest.mark.parametrize("what", ["card", "device", "torch"])
def test_another_card_device_or_torch_is_another_key(what: str) -> None:
    values = {"card": "a", "device": "b", "torch": "c"}
    case = Case("memory", "unet")
    assert case.key(*values.values()) != case.key(*{**values, what: "x"}.values())


def test_options_and_arguments_are_kept_sorted() -> None:
    case = Case("memory", "unet").with_options(b=1).with_options(a=2).with_arguments(steps=4)
    assert case.options == (("a", 2), ("b", 1))
    assert case.option("b") == 1
    assert case.option("missing", 7) == 7
    assert case.arguments == (("steps", 4),)


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert Case.from_json({"task": "memory", "model": "unet", "invented_later": 1}) == Case("memory", "unet")


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"width": 0}, {"classes": 0}, {"precision": "int4"}])
def test_impossible_values_are_the_users_mistake(change: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Case("memory", "unet", **change)  # type: ignore[arg-type]
