"""`segbench doctor`: what this machine can measure, and what it cannot and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psutil
import typer

from segbench import nvml
from segbench.cards.catalogue import card_names, models_folder
from segbench.cli.flags import flags
from segbench.cli.groups import LedgerFolder, MachineFlags
from segbench.cli.machines import SENT, engine_of
from segbench.cli.show import show
from segbench.devices.choice import choose_device
from segbench.devices.node import VERSIONS, Node, require_one_version
from segbench.errors import SegbenchError
from segbench.present.amounts import in_bytes
from segbench.present.table import table_of
from segbench.records.host import cpu_count, cpu_name, package_version
from segbench.records.ledger import DEFAULT_LEDGER, Ledger

_PACKAGES = ("torch", "torchdiffeq", "fvcore", "nvidia-ml-py", "numpy", "pandas", "matplotlib")


@flags(without=("retries", "cpus"))
def doctor(
    machines: MachineFlags,
    ledger: LedgerFolder = DEFAULT_LEDGER,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Device, driver, versions, and what will be measured and what cannot be.

    With --executor ray or slurm: what each of its machines has; machines of different versions are refused.
    """
    if machines.executor != "local":
        _tell_nodes(engine_of(machines, ledger / SENT).nodes(machines.accelerator is not None), as_json)
        return
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


def _tell_nodes(nodes: Sequence[Node], as_json: bool) -> None:
    """Raises:
    UserError: they have different versions; after they have been shown.
    """
    if as_json:
        typer.echo(json.dumps([asdict(node) for node in nodes], indent=1))
    else:
        heads = ["machine", "processor", "cores", "GPUs", "driver", *VERSIONS]
        show([table_of("Machines", heads, [_row(node) for node in nodes], prose=True)], [], "table")
    require_one_version(nodes)


def _row(node: Node) -> list[str]:
    gpus = Counter(gpu.name for gpu in node.gpus)
    named = ", ".join(f"{count} x {name}" for name, count in gpus.items()) or "none"
    versions = (getattr(node, name) or "not installed" for name in VERSIONS)
    return [node.name, node.processor, str(node.cores), named, node.driver or "none", *versions]


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
