from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.cli.adaptive import SHIPPED_IMAGES
from segbench.cli.checkpoints import SHIPPED
from segbench.records.case import Case
from segbench.records.measurement import Measurement

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]


@pytest.fixture
def machine(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """Every network has one exit that saves nothing."""

    def rows(_: Case) -> Iterator[Measurement]:
        for name, macs in (("stage=1", 1e8), ("stage=2", 2e8)):
            detail = {"kind": "fixed", "images": 4}
            yield Measurement("miou", 0.5, "measured:host", factors={"policy": name}, detail=detail)
            yield Measurement("macs", macs, "counted", "infer", factors={"policy": name})
        verdict = {"verdict": "nothing", "images": 2, "against": {}, "simulated": None}
        yield Measurement("macs_saved", 0.0, "counted", factors={"policy": None}, detail=verdict)

    monkeypatch.setattr(machine, "rows", rows)
    return machine


def trained(folder: str) -> str:
    path = Path(folder) / "best.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(folder.encode())
    return str(path)


def test_without_any_argument_the_shipped_network_is_judged_on_a_few_synthetic_streets(
    machine: FakeMachine, segbench: Segbench
) -> None:
    result = segbench("adaptive")
    assert result.exit_code == 0
    (case,) = machine.cases
    assert (case.model, case.dataset, case.split, case.threads, case.infer_batch) == (SHIPPED, "synthetic", "val", 1, 8)
    assert (case.options.images, case.options.depth) == (SHIPPED_IMAGES, "adaptive-depth.png")
    assert case.options.alone and case.options.timed
    assert Path("adaptive.png").is_file() and Path("adaptive.csv").is_file()
    assert f"{SHIPPED} saves nothing: no threshold saves operations" in " ".join(result.stdout.split())


def test_several_networks_stand_side_by_side_on_all_images(machine: FakeMachine, segbench: Segbench) -> None:
    paths = [trained("runs/hrnetv2-small-synthetic"), trained("runs/unet-w8-synthetic")]
    both = ("-m", "hrnetv2-small", "-m", "unet-w8")
    result = segbench("adaptive", *both, "--policy", "share", "--no-time", "-o", "figures")
    assert result.exit_code == 0
    assert [case.options.checkpoint for case in machine.cases] == paths
    for options in (case.options for case in machine.cases):
        assert (options.images, options.policies, options.timed, options.alone) == (None, ("share",), False, False)
    assert len({case.options.depth for case in machine.cases}) == 2
    assert Path("figures/adaptive.png").is_file()


def test_static_networks_alone_are_refused(
    machine: FakeMachine, segbench: Segbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = {"kind": "fixed", "images": 4, "static": True}
    row = Measurement("miou", 0.5, "measured:host", factors={"policy": "stage=1"}, detail=static)
    monkeypatch.setattr(machine, "rows", lambda _: iter([row]))
    for name in ("hrnetv2-small", "unet-w8"):
        trained(f"runs/{name}-synthetic")
    result = segbench("adaptive", "-m", "hrnetv2-small", "-m", "unet-w8")
    assert result.exit_code == 2
    assert "none of hrnetv2-small, unet-w8 has exits" in " ".join(result.stderr.split())


def test_rows_name_their_policy(machine: FakeMachine, segbench: Segbench) -> None:
    assert segbench("adaptive", "--export-csv", "rows.csv").exit_code == 0
    assert ",stage=2," in Path("rows.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "hrnetv2-small"), "there is no checkpoint runs/hrnetv2-small-synthetic/best.safetensors"),
        (("-m", "mesh"), "no model 'mesh'"),
        (("--device", "none"), "adaptive cannot be predicted"),
        (("--images", "0"), ""),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segbench("adaptive", *arguments)
    assert result.exit_code == 2 and machine.cases == []
    assert sentence in " ".join(result.stderr.split())
