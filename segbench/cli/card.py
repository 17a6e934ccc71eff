"""`segbench card new`: a network of a library or of a file as a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from segbench import __version__
from segbench.cards.model import find_model
from segbench.cards.sources import LIBRARIES
from segbench.cards.writing import card_text
from segbench.cells.jobs import Single
from segbench.cli import session
from segbench.errors import CardError, UserError
from segbench.records.case import Case, Json
from segbench.records.host import package_version
from segbench.records.options import ParamsOptions

card = typer.Typer(help="Model cards: a network of a library or of a file, written so that a paper can cite it.")

_LONGEST_S = 600.0
"""A library's import, and one forward pass of a large network."""


@card.callback()
def _cards() -> None:
    """Has Typer take `new` as a command of several."""


@card.command()
def new(
    network: Annotated[str, typer.Argument(help="As for --model: smp:Unet?encoder_name=resnet34, file.py:Net, ...")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file. \\[default: stdout]")] = None,
    classes: Annotated[int, typer.Option("--classes", help="At which parameters are counted.", min=1)] = 11,
) -> None:
    """A model card (TOML): what builds the network, its library's version, its parameters.

    -m FILE.toml then is the same network: the same hash, the same numbers.
    """
    model = find_model(network)
    size = {"width": model.card.input.width, "height": model.card.input.height}
    case = Case("params", model.spec.text, classes=classes, **size, options=ParamsOptions(crosscheck=False))  # type: ignore[arg-type]
    (result,) = session.local_executor().submit(Single(case), _LONGEST_S, lambda *_: None).result()
    found = {item.quantity: item for item in result.measurements}
    parameters = found["parameters"].value if "parameters" in found else None
    if parameters is None:
        raise CardError(result.cause or f"the parameters of {model.name} could not be counted")
    counted = f"{int(parameters):,} parameters at {classes} classes"
    by = f"counted by segbench {__version__} with torch {package_version('torch')}"
    text = card_text(
        model,
        [*_library(model.spec.source), f"{counted}, {by}", *_images(found["parameters"].detail)],
        output and output.parent,
    )
    if output is None:
        typer.echo(text, nl=False)
        return
    if output.suffix != ".toml":
        raise UserError(f"-o {output}: a card's file ends in .toml")
    output.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {output}; -m {output} is {model.name}", err=True)


def _library(source: str) -> list[str]:
    """`segmentation_models_pytorch 0.6.0`."""
    return [f"{item.package} {package_version(item.package)}" for item in LIBRARIES if item.name == source]


def _images(detail: Mapping[str, Json]) -> list[str]:
    """What the library takes out of images, where it says so."""
    found = detail.get("normalisation")
    if not found:
        return []
    mean, deviation = (", ".join(f"{value:.4g}" for value in found[name]) for name in ("mean", "std"))
    return [f"images from 0 to 1 less {mean} over {deviation}"]
