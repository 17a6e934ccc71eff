from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.options import PredictOptions, SnapshotOptions, TrainOptions

values = st.recursive(
    st.integers() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)

cases = st.builds(
    Case,
    task=st.sampled_from(["memory", "predict"]),
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


def test_options_are_the_tasks_own_and_arguments_are_kept_sorted() -> None:
    case = (
        Case("predict", "unet", device="none").with_options(nfe=14).with_arguments(steps=4).with_arguments(norm="batch")
    )
    assert case.options == PredictOptions(nfe=14)
    assert case.arguments == (("norm", "batch"), ("steps", 4))


def test_a_case_asked_of_another_task_keeps_the_options_that_both_have() -> None:
    case = Case("max_batch", "unet", device="none").with_options(context_bytes=7, nfe=14)
    assert case.for_task("memory", batch_size=3) == Case("memory", "unet", device="none", batch_size=3).with_options(
        context_bytes=7
    )
    assert case.for_task("snapshot", options={"path": "a"}).options == SnapshotOptions(
        context_bytes=7, nfe=14, path="a"
    )


def test_options_of_format_1_are_read_from_pairs_and_by_their_old_names() -> None:
    data = {"task": "train", "model": "unet", "options": [["zoom", "0.5:2"], ["gone", 1], ["folder", "runs/a"]]}
    assert Case.from_json(data).options == TrainOptions(scale_jitter="0.5:2", folder="runs/a")


def test_a_record_without_workspaces_predicted_none_and_a_new_question_expects_them() -> None:
    record = {"task": "predict", "model": "unet", "device": "none"}
    assert Case.from_json(record).options == PredictOptions(workspaces="none")
    assert Case("predict", "unet", device="none").options == PredictOptions(workspaces="expected")


def test_another_model_of_prediction_is_another_key_of_what_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case("max_batch", "unet", device=device) for device in ("none", "cuda:0")]
    predicted, measured = (case.key("c", "d", "t") for case in cases)
    monkeypatch.setattr("segbench.records.case.PREDICTION_MODEL", 99)
    assert predicted != cases[0].key("c", "d", "t")
    assert measured == cases[1].key("c", "d", "t")


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert Case.from_json({"task": "memory", "model": "unet", "invented_later": 1}) == Case("memory", "unet")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be from 1"),
        ({"batch_size": 2**40}, "it must be from 1 to 2147483647"),
        ({"width": 0}, "width is 0"),
        ({"classes": 0}, "classes is 0"),
        ({"seed": 2**80}, "seed is 1208925819614629174706176"),
        ({"threads": 0}, "threads is 0"),
        ({"precision": "int4"}, "'int4' is not one of fp32"),
        ({"optimizer": "sdg"}, "did you mean sgd"),
        ({"task": "nonsense"}, "no task 'nonsense'"),
        ({"modes": ("banana",)}, "no mode of memory 'banana'"),
        ({"device": "xpu"}, "no device 'xpu'"),
        ({"model": ""}, "memory needs a network"),
        ({"options": TrainOptions()}, "memory takes MemoryOptions, not TrainOptions"),
    ],
)
def test_a_case_that_cannot_be_is_refused_with_a_sentence(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        Case(**{"task": "memory", "model": "unet", **change})  # type: ignore[arg-type]


def test_an_option_that_the_task_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"no option 'typo'; known here: .*context_bytes"):
        Case("memory", "unet").with_options(typo=3)
    with pytest.raises(UserError, match="option workspaces cannot be 'most'"):
        Case("predict", "unet").with_options(workspaces="most")
