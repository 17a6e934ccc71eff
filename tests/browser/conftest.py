"""A real headless Chromium with a page in it; started only by `make browser-test`."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from segbench.cards.datasets import DATASETS, Colour
from segbench.present.files import PAGE, write_report
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.report import report_of

VARIABLE = "SEGBENCH_BROWSER"
"""The Chromium to start; its driver is found on the path."""

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

_ROLES = ("parameters", "optimizer state", "gradients", "activations", "temporaries", "inputs", "workspaces")
_GB = 10**9


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium under selenium, whose console is kept."""
    binary = os.environ.get(VARIABLE)
    if not binary:
        pytest.skip("opens a real Chromium: run `make browser-test`")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section: two memory timelines, six judged networks, pictures of a trajectory and of depths."""
    folder = tmp_path_factory.mktemp("report")
    entries = [*_costs(), _trajectory(), *_adaptive()]
    write_report(report_of(entries, "A page under test"), folder)
    return folder / PAGE


def _entry(case: Case, *rows: Measurement) -> Entry:
    environment = Environment(case.device, "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)
    key = f"{case.model}-{case.task}-{case.modes[0]}"
    run, day = "20261121-101500-abcdef-01", "2026-11-21T10:15:00+00:00"
    return Entry(run, key, case.model, "0", {}, case, environment, "ok", None, rows, 1.0, day)


def _costs() -> Iterator[Entry]:
    memory = {"unet": 25.2, "pspnet": 8.3, "hrnetv2": 21.3, "segnode-paper": 15.9, "segnode": 6.5}
    for place, (model, size) in enumerate(memory.items()):
        case = Case("predict", model, device="none", batch_size=24, modes=("train",))
        live = {"breakdown": dict.fromkeys(_ROLES, 1), "timeline": _timeline(size * _GB)}
        yield _entry(
            case,
            Measurement("train_peak_live_bytes", size * _GB, "predicted", mode="train", detail=live),
            Measurement("train_peak_reserved_bytes", 1.1 * size * _GB, "predicted", mode="train"),
        )
        rows = [
            Measurement("parameters", (30 - 4 * place) * 1e6, "counted"),
            Measurement("macs", (100 - 30 * place + 9 * place**2) * 1e9, "counted"),
        ]
        yield _entry(Case("params", model, modes=("infer",)), *rows)


def _timeline(peak: float) -> dict[str, object]:
    heights = [peak * (1 - abs(place - 50) / 60) for place in range(100)]
    sizes = {role: [round(value * (0.8 if role == "activations" else 0.03)) for value in heights] for role in _ROLES}
    phases = [[0.0, "forward"], [0.5, "backward"], [0.9, "optimizer"]]
    return {"moments": [place / 100 for place in range(100)], "bytes": sizes, "phases": phases}


def _trajectory() -> Entry:
    """Five end times; the class map's boundary wanders to its place."""
    rows: list[Measurement] = []
    for step in range(5):
        factors = {"t_end": step / 4, "steps": step}
        miou = (0.2, 0.45, 0.55, 0.58, 0.59)[step]
        detail: dict[str, object] = {
            "knob": "time",
            "frames": {
                f"test/{n}": {"labels": _map(40 + 15 * step + 9 * n), "miou": miou - 0.02 * n} for n in range(3)
            },
        }
        if step == 0:
            detail["pictures"] = {f"test/{n}": {"photo": _photo(n), "truth": _map(104 + 9 * n)} for n in range(3)}
        bounds = {"spread_low": miou - 0.02, "spread_high": miou + 0.02}
        rows += [
            Measurement("miou", miou, "measured:host", factors=factors, detail=detail, **bounds),
            Measurement("miou_error", 1 - miou, "measured:host", factors=factors),
            Measurement("miou_drop", 0.59 - miou, "measured:host", factors=factors),
            Measurement("nfe_forward", step, "counted", "infer", factors=factors),
            Measurement("macs", 1e9 * (step + 1), "counted", "infer", factors=factors),
            Measurement("latency_s", 0.004 * (step + 1), "measured:host", "infer", factors=factors),
            Measurement("pixels_changed", 0.59 - miou, "measured:host", factors=factors),
        ]
    return _entry(Case("trajectory", "segnode-w8", dataset="synthetic", split="test", modes=("infer",)), *rows)


_REGIONS = (("stage 1", (87, 16, 110)), ("stage 2", (252, 255, 164)))
_LATTICE = (("no path, or no cell", (0, 0, 0)), ("1 path", (120, 28, 109)), ("2 paths", (237, 105, 37)))


def _adaptive() -> Iterator[Entry]:
    """A network of regions and one of paths, each under three policies; more goes on from one to the next."""
    yield _depths("model-selection-small", "entropy<{}", _REGIONS, (6, 4))
    yield _depths("dynamic-routing-small", "signal<{}", _LATTICE, (9, 4))


def _depths(model: str, policy: str, legend: Sequence[tuple[str, Colour]], size: tuple[int, int]) -> Entry:
    rows: list[Measurement] = []
    ways = {policy.format(limit): "policy" for limit in (0.1, 0.5, 0.9)} | {"stage=1": "fixed", "stage=2": "fixed"}
    for place, (name, kind) in enumerate(ways.items()):
        detail: dict[str, object] = {"kind": kind, "images": 3}
        if kind == "policy":
            detail["depths"] = {
                f"val/{n}": {"depth": _grid(legend, size, 3 * place + n), "labels": _map(104 - 9 * place)}
                for n in range(2)
            }
        if name == "stage=2":
            detail["pictures"] = {f"val/{n}": {"photo": _photo(n), "truth": _map(104)} for n in range(2)}
            detail["depth_legend"] = dict(legend)
        factors, macs = {"policy": name}, 1e8 * (place + 1)
        score = {"spread_low": 0.5, "spread_high": 0.7}
        rows.append(Measurement("miou", 0.5 + place / 25, "measured:host", factors=factors, detail=detail, **score))
        costs = {"p50": macs, "p95": macs, "worst": macs, "saved": {"value": 0.1, "low": 0.1, "high": 0.1}}
        rows.append(Measurement("macs", macs, "counted", "infer", factors=factors, detail=costs))
    return _entry(Case("adaptive", model, dataset="synthetic", split="val"), *rows)


def _grid(legend: Sequence[tuple[str, Colour]], size: tuple[int, int], reached: int) -> str:
    """A part a pixel: the first columns in the last colour, the others in the first."""
    picture = Image.new("RGB", size, legend[0][1])
    ImageDraw.Draw(picture).rectangle((0, 0, reached % size[0], size[1] - 2), fill=legend[-1][1])
    return _png(picture.quantize(4))


def _photo(number: int) -> str:
    picture = Image.new("RGB", (160, 120), (150, 180, 210))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 80, 160, 120), fill=(90, 90, 95))
    draw.rectangle((20 + 12 * number, 30, 70 + 12 * number, 84), fill=(160, 90, 70))
    draw.ellipse((104, 40, 140, 80), fill=(60, 130, 60))
    return _png(picture.quantize(64))


def _map(edge: int) -> str:
    palette = DATASETS["synthetic"].palette
    picture = Image.new("RGB", (160, 120), palette[0])
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 80, 160, 120), fill=palette[3])
    draw.rectangle((20, 30, edge, 84), fill=palette[1])
    return _png(picture.quantize(16))


def _png(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()
