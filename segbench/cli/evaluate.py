"""`segbench evaluate`: the accuracy of trained networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from typer import Option

from segbench.cards.datasets import dataset_card
from segbench.cards.label_map import LabelMap, read_label_map
from segbench.cards.model import Model
from segbench.cli.checkpoints import digest_of, facts_of, found_checkpoint, trained_arguments, usual_run, usual_size
from segbench.cli.flags import Group, flags
from segbench.cli.groups import (
    ConditionFlags,
    LabelledFlags,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    case_fields,
)
from segbench.cli.session import Session
from segbench.errors import UserError
from segbench.present.evaluation import evaluation_tables
from segbench.records.case import Case, Json
from segbench.records.dataset_spec import published_dataset
from segbench.records.options import EvaluateOptions
from segbench.units import parse_size

_Checkpoint = Annotated[
    Path | None,
    Option(
        "--checkpoint",
        "--weights",
        help="A run's folder or one of its files, or weights of any training: safetensors, .pth. "
        "\\[default: the card's own, or the best of runs/MODEL-DATASET]",
    ),
]
_InferBatch = Annotated[int, Option("--infer-batch", help="Images per inference.", min=1, rich_help_panel="Conditions")]


@dataclass(frozen=True, kw_only=True)
class ProtocolFlags(Group):
    """How images are shown to the network."""

    panel: ClassVar[str] = "Protocol"

    protocol: Annotated[
        str,
        Option(
            "--protocol",
            help="single, flip, multi-scale, cityscapes-ms, lip, pascal-context or pascal-context-ms (HRNet's).",
        ),
    ] = "single"
    input: Annotated[
        str | None, Option("--input", help="Size images are shown at. \\[default: what it was trained at]")
    ] = None
    scales: Annotated[str | None, Option("--scales", help="Fuse these scales, as in 0.5,1,1.5.")] = None
    flip: Annotated[bool | None, Option("--flip/--no-flip", help="Average with the mirrored image.")] = None
    window: Annotated[str | None, Option("--window", help="Slide a window of this size, as in 512x512.")] = None

    def changes(self) -> dict[str, Json]:
        """What is asked otherwise than the protocol has it."""
        names = ("input", "scales", "flip", "window")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class EvaluationFlags(Group):
    """What is left beside the scores."""

    panel: ClassVar[str] = "Evaluation"

    boundary: Annotated[bool, Option("--boundary/--no-boundary", help="F-score of class boundaries.")] = True
    predictions: Annotated[bool, Option("--predictions", help="Save each answer as a PNG in the set's colours.")] = (
        False
    )
    overlays: Annotated[int, Option("--overlays", help="Save so many side-by-side pictures.", min=0)] = 0
    label_map: Annotated[
        str | None,
        Option(
            "--label-map",
            help="Whose classes the network has, where they are not the data set's: a data set's name, or a map.toml.",
        ),
    ] = None
    partial: Annotated[bool, Option("--partial", help="Evaluate also where weights are missing; they are listed.")] = (
        False
    )
    trust_pickle: Annotated[
        bool, Option("--trust-pickle", help="Run the code that a .pth file holds beside its weights.")
    ] = False
    against: Annotated[
        Path | None,
        Option("--against", help="Compare on the same images with an earlier evaluation: its folder or its .npz."),
    ] = None
    output: Annotated[
        Path | None,
        Option("-o", "--output", help="Folder. \\[default: evaluation-SPLIT-PROTOCOL... beside the checkpoint]"),
    ] = None
    skip_broken: Annotated[bool, Option("--skip-broken", help="Leave unusable files out, and count them.")] = False


@flags(without=("classes", "optimizer", "channels_last", "seed"), timeout=86400.0, split="val")
def evaluate(
    network: NetworkFlags,
    data: LabelledFlags,
    protocol: ProtocolFlags,
    evaluation: EvaluationFlags,
    conditions: ConditionFlags,
    run: RunFlags,
    machines: MachineFlags,
    results: OutputFlags,
    checkpoint: _Checkpoint = None,
    infer_batch: _InferBatch = 1,
) -> None:
    """mIoU, accuracies and boundary F of trained networks, from one confusion matrix over the whole split.

    Logits are enlarged to the label's size before the argmax and ignored pixels do not count. What was counted is kept
    image by image, for later comparisons on the same images.
    """
    session = Session(run, results, machines)
    models = network.models()
    if len(models) > 1 and (checkpoint or evaluation.output):
        raise UserError(f"{len(models)} networks cannot share one checkpoint or folder; evaluate them one at a time")
    fields = case_fields(conditions.where("evaluate", seen=session.seen), network, conditions, data)
    case = partial(Case, "evaluate", **{**fields, "infer_batch": infer_batch})
    question = _Question(data, protocol, evaluation, conditions, fields["arguments"], checkpoint)

    def one_network(model: Model) -> list[Case]:
        path = found_checkpoint(model, data.named, data.data_root, checkpoint)
        width, height = parse_size(protocol.input) if protocol.input else usual_size(path, model, data.named)
        options = question.options(model, path)
        sized = case(model=model.spec.text, width=width, height=height, options=options)
        return [sized.with_arguments(**trained_arguments(path, dict(sized.arguments)))]

    session.answer(models, one_network, evaluation_tables)


@dataclass(frozen=True)
class _Question:
    """What is asked of every network, and the folder that its answers are kept in."""

    data: LabelledFlags
    protocol: ProtocolFlags
    evaluation: EvaluationFlags
    conditions: ConditionFlags
    arguments: tuple[tuple[str, Json], ...]
    checkpoint: Path | None

    def options(self, model: Model, path: Path) -> EvaluateOptions:
        """Raises:
        UserError: the earlier evaluation to compare with is missing, or lies where this one is going to be kept.
        """
        asked, other = self.evaluation, _saved(self.evaluation.against)
        folder = asked.output or self._folder(model, path)
        if other and other.resolve().parent == folder.resolve():
            raise UserError(f"--against {other} is where this evaluation is going to be kept; choose a folder with -o")
        return EvaluateOptions(
            checkpoint=str(path),
            weights=digest_of(path),
            folder=str(folder),
            protocol=self.protocol.protocol,
            label_map=self._label_map(),
            partial=asked.partial,
            trust_pickle=asked.trust_pickle,
            boundary=asked.boundary,
            predictions=asked.predictions,
            overlays=asked.overlays,
            skip_broken=asked.skip_broken,
            against=str(other) if other else None,
            against_digest=digest_of(other) if other else None,
            **self.protocol.changes(),
        )

    def _label_map(self) -> LabelMap:
        text = self.evaluation.label_map
        return read_label_map(text, dataset_card(self.data.named).class_names) if text else ()

    def _folder(self, model: Model, path: Path) -> Path:
        """One for each way of asking a run's network: `evaluation-val-single-last-steps=8`."""
        run = path.parent if self.checkpoint else usual_run(model, self.data.named)
        file = path.stem if self.checkpoint and path.stem != "best" else None
        changed = [f"{name}={value}" for name, value in self._differences(path).items() if value is not None]
        words = ("evaluation", self.data.split, self.protocol.protocol, file, *changed)
        return run / "-".join(word.replace("/", "_") for word in words if word)

    def _differences(self, path: Path) -> Mapping[str, Json]:
        trained_on, asked = facts_of(path).get("data", {}).get("dataset"), published_dataset(self.data.named)
        precision = self.conditions.precision
        return {
            "data": asked if trained_on not in (None, asked) else None,
            **self.protocol.changes(),
            **dict(self.arguments),
            "precision": precision if precision != "fp32" else None,
            "classes": Path(self.evaluation.label_map).stem if self.evaluation.label_map else None,
            "partial": "yes" if self.evaluation.partial else None,
            "boundary": None if self.evaluation.boundary else "no",
            "broken": "skipped" if self.evaluation.skip_broken else None,
        }


def _saved(place: Path | None) -> Path | None:
    """The file an earlier evaluation left.

    Raises:
        UserError: there is none.
    """
    if place is None:
        return None
    path = place / "evaluation.npz" if place.is_dir() else place
    if not path.is_file():
        raise UserError(f"there is no evaluation {path}; --against wants the folder that segbench evaluate wrote")
    return path
