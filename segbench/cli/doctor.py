"""`segbench doctor`: what this machine can measure, and what it cannot and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import psutil
import typer

from segbench import nvml
from segbench.cards.catalogue import card_names, models_folder
from segbench.cli.groups import LedgerFolder
from segbench.cli.show import show
from segbench.devices.choice import choose_device
from segbench.errors import SegbenchError
from segbench.present.amounts import in_bytes
from segbench.present.table import table_of
from segbench.records.host import cpu_count, cpu_name, package_version
from segbench.records.ledger import DEFAULT_LEDGER, Ledger

_PACKAGES = ("torch", "torchdiffeq", "fvcore", "nvidia-ml-py", "numpy", "pandas", "matplotlib")


def doctor(
    ledger: LedgerFolder = DEFAULT_LEDGER,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Device, driver, versions, and what will be measured and what cannot be."""
    facts = machine_facts(ledger)
    abilities = _abilities(bool(nvml.visible_gpus()))
    if as_json:
        typer.echo(json.dumps({"facts": facts, "abilities": abilities}, indent=1))
        return
    show([table_of("This machine", ["", ""], list(map(list, facts.items())), prose=True)], [], "table")
    show(
        [table_of("What can be told here", ["quantity", "how"], list(map(list, abilities.items())), prose=True)],
        [],
        "table",
    )


def machine_facts(ledger: Path) -> dict[str, str]:
    """Name and value of what measurements here depend on."""
    return {**_machine(), **_software(), **_files(ledger)}


def _machine() -> dict[str, str]:
    gpus = nvml.visible_gpus()
    facts = {"CPU": f"{cpu_name()}, {cpu_count()} cores", "memory": in_bytes(psutil.virtual_memory().total)}
    for gpu in gpus:
        facts[f"cuda:{gpu.index}"] = f"{gpu.name}, {_memory(gpu)}"
    facts["NVIDIA driver"] = nvml.driver_version() or "none found"
    chosen = choose_device("auto", "latency")
    facts["--device auto"] = f"{chosen.name} ({chosen.why})"
    return facts


def _memory(gpu: nvml.Gpu) -> str:
    if gpu.memory_bytes is None or gpu.used_bytes is None:
        return "memory not told by NVML"
    return f"{in_bytes(gpu.memory_bytes)}, {in_bytes(gpu.memory_bytes - gpu.used_bytes)} free"


def _software() -> dict[str, str]:
    return {name: package_version(name) or "not installed" for name in ("segbench", *_PACKAGES)}


def _files(folder: Path) -> dict[str, str]:
    book = Ledger(folder)
    try:
        book.ensure_writable()
        state = f"{book.path} ({len(book.entries())} cells)"
    except SegbenchError as error:
        state = str(error)
    return {"models": f"{len(card_names())} model cards in {models_folder()}", "ledger": state}


def _abilities(cuda: bool) -> dict[str, str]:
    no_gpu = "not here: needs an NVIDIA GPU"
    return {
        "memory": "measured on CUDA; exact live bytes on the CPU; predicted with --device none",
        "largest batch, largest input": "proven by fresh processes on CUDA" if cuda else "predicted; proof needs a GPU",
        "allocated and reserved bytes": "measured" if cuda else "predicted only: the CPU has no caching allocator",
        "latency, epoch time": "measured with CUDA events" if cuda else "measured on the CPU",
        "operations": "counted, on any machine",
        "energy": "NVML's counter, where the GPU has one" if cuda else no_gpu,
        "clocks, throttling": "NVML" if cuda else no_gpu,
    }
