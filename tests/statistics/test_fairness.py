"""What may stand side by side: like with like but for the factor under comparison."""

from __future__ import annotations

from dataclasses import replace

from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.statistics.fairness import conditions, factors_between, unlike
from segbench.statistics.stopping import StopRule

MACHINE = Environment("cpu", "A CPU", "2.13", "3.11", "Linux", "abc", 1, switches={"cudnn_benchmark": False})


def entry(model: str = "unet", arguments: dict[str, object] | None = None, **changes: object) -> Entry:
    environment = changes.pop("environment", MACHINE)
    case = replace(Case("memory", model, modes=("train",)), **changes)
    return Entry("r", "k", model, "h", arguments or {}, case, environment, "ok", None, (), 1.0, "")  # type: ignore[arg-type]


def differences(a: Entry, b: Entry, *compared: str) -> list[tuple[str, bool]]:
    return [(item.condition, item.refused) for item in unlike(conditions(a), conditions(b), compared)]


def test_equal_cells_have_no_differences() -> None:
    assert differences(entry(), entry()) == []


def test_two_networks_compare_by_the_model_and_their_arguments_are_their_own() -> None:
    a, b = entry("unet", {"width": 64}), entry("segnode", {"steps": 4})
    assert factors_between(conditions(a), conditions(b)) == ["model"]
    assert differences(a, b, "model") == []


def test_an_auxiliary_head_on_one_side_is_refused_even_between_networks() -> None:
    a, b = entry("pspnet", {"aux": True}), entry("unet")
    assert differences(a, b, "model") == [("argument aux", True)]
    assert differences(entry("pspnet", {"aux": False}), b, "model") == []


def test_another_size_precision_or_switch_of_the_case_is_refused() -> None:
    other = {"width": 512, "precision": "bf16", "tf32": True, "channels_last": True, "cudnn_benchmark": True}
    found = differences(entry(), entry(**other))
    assert {name for name, refused in found if refused} == set(other)


def test_the_factor_under_comparison_is_not_a_difference() -> None:
    assert factors_between(conditions(entry()), conditions(entry(precision="bf16"))) == ["precision"]
    assert differences(entry(), entry(precision="bf16"), "precision") == []


def test_versions_and_switches_of_the_machine_are_only_marked() -> None:
    other = replace(MACHINE, torch="2.14", switches={"cudnn_benchmark": True})
    assert differences(entry(), entry(environment=other)) == [("switch cudnn_benchmark", False), ("torch", False)]


def test_another_device_is_refused() -> None:
    assert differences(entry(), entry(environment=replace(MACHINE, device_name="Other"))) == [("device", True)]


def test_the_batch_of_training_does_not_matter_to_inference() -> None:
    a = entry(modes=("infer",), batch_size=1)
    assert differences(a, entry(modes=("infer",), batch_size=24)) == []
    assert differences(a, entry(modes=("infer",), infer_batch=2)) == [("infer_batch", True)]


def test_how_long_was_measured_is_no_condition() -> None:
    a, b = (replace(entry(), case=Case("epoch", "unet")) for _ in range(2))
    b = replace(b, case=b.case.with_options(max_seconds=5.0, images=12))
    assert differences(a, b) == [("option images", True)]


def test_the_optimizer_of_the_card_counts_where_the_case_names_none() -> None:
    a, b = conditions(entry(), "sgd"), conditions(entry(), "adamw")
    assert [str(item) for item in unlike(a, b)] == ["optimizer: sgd against adamw"]


def test_how_long_was_measured_is_no_condition_of_todays_rule_nor_of_a_ledgers_of_0_1_0() -> None:
    case = Case("trajectory", "segnode", modes=("infer",))
    earlier = replace(entry(), case=Case.from_json({**case.to_json(), "options": {"runs": 11, "seconds": 60.0}}))
    today = replace(entry(), case=case.with_options(**StopRule(min_rounds=3).options()))
    assert differences(earlier, today) == []


def test_what_was_done_to_answers_and_images_is_marked_and_an_auxiliary_output_refused() -> None:
    rows = (
        Measurement("output_stride", 4, "counted", detail={"normalisation": "mean 0.5"}),
        Measurement("auxiliary_outputs", 1, "counted", "train"),
    )
    told = replace(entry("transformers:Net"), measurements=rows)
    assert differences(told, entry("unet"), "model") == [
        ("auxiliary outputs", True),
        ("normalisation", False),
        ("output stride", False),
    ]
