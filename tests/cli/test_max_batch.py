"""The searching commands with a fake machine: a network takes `fixed` and `each` bytes an image of 480x360."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cli import session
from segbench.estimate.overheads import MODERN_CONTEXT
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.units import GB, parse_bytes

Segbench = Callable[..., Result]
ENVIRONMENT = Environment("none", "none", "2.13.0", "3.11", "Linux", "0123", threads=1)
TABLE2 = ("max-batch", "-m", "unet", "-m", "deeplabv3", "--budget", "32GB", "--device", "none")


class FakePredictor:
    """Answers `max_batch` and `max_input` as the child does; `unet` at 38 by retries, `pspnet` not at all."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def run(self, case: Case, timeout_s: float, listen: Listener) -> CellResult:
        self.cases.append(case)
        return CellResult(case, "ok", None, ENVIRONMENT, tuple(self.rows(case)), 0.5)

    def rows(self, case: Case) -> Iterator[Measurement]:
        if case.task in ("params", "predict"):
            yield Measurement("parameters", 10**6, "counted")
            return
        pixels = case.task == "max_input"
        answer, other = (
            ("max_input_pixels", "max_input_fails_at_pixels") if pixels else ("max_batch", "max_batch_fails_at")
        )
        retries = 2 if case.model == "unet" else 0
        detail = {
            "budget_bytes": case.budget_bytes,
            "context_bytes": case.options.context_bytes,
            "limited_by": "allocated",
            "used": {"retries": retries},
            "proof": "replayed under the limit",
        }
        if case.model == "pspnet":
            yield Measurement(
                answer,
                None,
                "predicted",
                mode=case.modes[0],
                outcome="does_not_fit",
                cause="1 does not fit",
                detail=detail,
            )
            yield Measurement(other, 1, "predicted", mode=case.modes[0], detail=detail)
            return
        sizes = ({"width": 2680, "height": 2008}, {"width": 2688, "height": 2016}) if pixels else ({}, {})
        for name, value, size in zip((answer, other), (5381440, 5419008) if pixels else (38, 39), sizes, strict=True):
            yield Measurement(name, value, "predicted", mode=case.modes[0], factors=size, detail=detail)


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    fake = FakePredictor()
    monkeypatch.setattr(session, "local_executor", lambda *_: LocalExecutor(fake.run, workers=1))
    return fake


def test_every_network_and_mode_is_predicted(predictor: FakePredictor, segbench: Segbench) -> None:
    assert segbench(*TABLE2).exit_code == 0
    cases = predictor.cases
    assert {case.task for case in cases} == {"max_batch"}
    assert [(case.model, case.modes) for case in cases] == [
        (model, (mode,)) for model in ("unet", "deeplabv3") for mode in ("train", "infer")
    ]
    assert all(case.budget_bytes == 32 * GB and case.options.context_bytes == MODERN_CONTEXT for case in cases)


def test_the_table_shows_both_sides_the_paper_the_budget_and_its_context(
    predictor: FakePredictor, segbench: Segbench
) -> None:
    shown = " ".join(segbench(*TABLE2).stdout.split())
    for text in (
        "38*",
        "39",
        "tensors",
        "29.8 GiB",
        "500 MiB",
        "releases its cache",
        "replayed under the limit",
        "took",
    ):
        assert text in shown
    assert "V100" in shown, "the paper's column has its conditions"


def test_the_default_context_is_the_one_with_the_sources() -> None:
    assert parse_bytes("500MiB") == MODERN_CONTEXT


def test_nothing_fits_is_an_answer_and_not_a_failure(predictor: FakePredictor, segbench: Segbench) -> None:
    result = segbench("max-batch", "-m", "pspnet", "--budget", "1GB", "--device", "none", "--mode", "train")
    assert result.exit_code == 0
    assert "nothing" in result.stdout
    assert "1 does not fit" in result.stdout


def test_a_budget_may_be_a_card_and_is_the_papers_by_default(predictor: FakePredictor, segbench: Segbench) -> None:
    assert "rtx-4090" in segbench("max-batch", "-m", "unet", "--device", "none", "--budget", "rtx-4090").stdout
    assert "v100-32gb" in segbench("max-batch", "-m", "unet", "--device", "none").stdout


def test_rows_are_exported_with_their_quantities(predictor: FakePredictor, segbench: Segbench) -> None:
    rows = list(csv.DictReader(io.StringIO(segbench(*TABLE2, "--format", "csv").stdout)))
    assert {row["quantity"] for row in rows} == {"max_batch", "max_batch_fails_at"}
    assert {row["method"] for row in rows} == {"predicted"}


def test_inputs_are_shown_as_width_and_height(predictor: FakePredictor, segbench: Segbench) -> None:
    result = segbench("max-input", "-m", "deeplabv3", "--device", "none", "--budget", "rtx-4090")
    assert "2680x2008" in result.stdout
    assert "2688x2016" in result.stdout
    assert predictor.cases[0].batch_size == 1


def test_fits_asks_for_batches_and_inputs_of_every_network(predictor: FakePredictor, segbench: Segbench) -> None:
    result = segbench("fits", "--budget", "rtx-4090", "-m", "unet", "-m", "hrnetv2")
    assert result.exit_code == 0
    assert list(dict.fromkeys(case.task for case in predictor.cases)) == ["params", "predict", "max_batch", "max_input"]
    assert "2680x2008" in result.stdout
    assert "What fits rtx-4090" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--budget", "much"), "no GPU 'much'"),
        (("--budget", "rtx-4080"), "rtx-4090"),
        (("--mode", "both ways"), "choose train, infer or both"),
        (("--context", "some"), "not an amount of memory"),
        (("--workspaces", "lower"), "'expected', 'upper'"),
        (("--device", "cpu"), "searches on CUDA or predicts"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, str], sentence: str, segbench: Segbench) -> None:
    result = segbench("max-batch", "-m", "unet", "--device", "none", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_explanations_are_for_predictions_only(segbench: Segbench) -> None:
    result = segbench("memory", "-m", "unet", "--device", "cpu", "--explain")
    assert result.exit_code == 2
    assert "--device none" in result.stderr


def test_a_plot_must_be_a_figure(segbench: Segbench, tmp_path: Path) -> None:
    result = segbench("memory", "-m", "unet", "--device", "none", "--plot", str(tmp_path / "plot.txt"))
    assert result.exit_code == 2
    assert ".svg" in result.stderr
