"""What the commands that judge trained networks share: which checkpoints, and the images these are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from typer import Option

from segbench.cli.checkpoints import TrainedNetwork, trained_arguments, usual_size
from segbench.cli.flags import Group
from segbench.records.case import Case
from segbench.records.options import Options
from segbench.units import parse_size


@dataclass(frozen=True, kw_only=True)
class TrainedFlags(Group):
    """Trained networks, and the images they are asked about."""

    panel: ClassVar[str] = "Trained networks"

    argument: Annotated[
        list[str] | None, Option("-a", "--argument", help="Set a builder argument, as in steps=8; repeatable.")
    ] = None
    checkpoint: Annotated[
        list[Path] | None,
        Option("--checkpoint", help="A run's folder or file; repeatable. \\[default: runs/MODEL-DATASET/best]"),
    ] = None
    input: Annotated[str | None, Option("--input", help="Size images are shown at. \\[default: as trained]")] = None
    images: Annotated[
        int | None, Option("--images", help="So many of the split, spread evenly. \\[default: all]", min=1)
    ] = None

    def case(self, case: partial[Case], trained: TrainedNetwork, dataset: str, options: Options) -> Case:
        """The case of one network, at its size and built as it was trained."""
        size = parse_size(self.input) if self.input else usual_size(trained.checkpoint, trained.model, dataset)
        sized = case(model=trained.model.spec.text, width=size[0], height=size[1], options=options)
        return sized.with_arguments(**trained_arguments(trained.checkpoint, dict(sized.arguments)))
