"""Scores a trained network on a split of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segbench.cards.model import find_model
from segbench.data import Dataset, Sample, open_dataset
from segbench.data.broken import left_out, left_out_names
from segbench.data.cityscapes import write_prediction
from segbench.data.dataset import Pixels
from segbench.errors import DataError
from segbench.evaluation.confusion import mean_iou
from segbench.evaluation.evaluate import Evaluation, evaluate
from segbench.evaluation.files import load_evaluation, save_evaluation, save_image_iou
from segbench.evaluation.pictures import save_prediction, side_by_side
from segbench.evaluation.plots import plot_confusion
from segbench.evaluation.protocol import protocol_of
from segbench.learning.matching import Match
from segbench.learning.weights import trained_network
from segbench.libraries.traits import traits_of
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import EvaluateOptions
from segbench.statistics.resampling import Resampling, interval
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter
from segbench.tasks.trained import notes_on_label_map, notes_on_origin, require_same_classes, require_same_count
from segbench.workload.device import device_of
from segbench.workload.images import require_colours
from segbench.workload.network import fit_to_size
from segbench.workload.outputs import OutputReader
from segbench.workload.precision import autocast
from segbench.workload.relabelled import Relabelled


def run(case: Case, report: Reporter) -> None:
    """Reports the scores of one confusion matrix over the split, and leaves files from which others can be made.

    Raises:
        CheckpointError: missing, damaged, of another network or of other classes.
        DataError: images that cannot be read; an evaluation to compare with that is none, or of other images.
    """
    asked, device, protocol = case.options_as(EvaluateOptions), device_of(case), protocol_of(case)
    checkpoint, folder = Path(asked.checkpoint), Path(asked.folder)
    other = load_evaluation(Path(asked.against)) if asked.against else None
    card, size = find_model(case.model).card, (case.height, case.width)
    classes = len(asked.label_map) or case.classes
    network, facts, match = trained_network(
        card, dict(case.arguments), checkpoint, size, classes, asked.partial, asked.trust_pickle
    )
    dataset = open_dataset(str(case.dataset), case.data_root, case.split or "val", skip_broken=asked.skip_broken)
    if asked.label_map:
        require_same_count(facts, classes, checkpoint)
    else:
        require_same_classes(facts, dataset, checkpoint)
    left = left_out(dataset.broken, len(dataset), f"{dataset.name} {dataset.split}")
    about = (*notes_on_label_map(asked.label_map, dataset), *notes_on_origin(facts, dataset, checkpoint))
    for sentence in filter(None, (left, *about)):
        report.note(sentence)
    require_colours(case.model, traits_of(network))
    output, pad = case.output or facts.get("output"), case.pad or bool(facts.get("pad"))
    as_trained = replace(case, classes=len(asked.label_map) or dataset.classes, output=output, pad=pad)
    fit_to_size(network, as_trained)
    outputs = OutputReader.of(as_trained, network)
    if asked.label_map:
        outputs.relabelled = Relabelled([place for _, place in asked.label_map], dataset.classes)
    found = evaluate(
        network.to(device),
        dataset,
        protocol,
        flip_pairs=dataset.flip_pairs,
        batch_size=case.infer_batch,
        boundary=asked.boundary,
        autocast=autocast(case.precision, device),
        observe=_PictureSaver(case, dataset, folder, report),
        outputs=outputs,
    )
    tell_outputs(outputs, case, report)
    save_evaluation(found, folder / "evaluation.npz")
    save_image_iou(found, dataset.class_names, folder / "images.csv")
    title = f"{facts.get('model', case.model)}, {dataset.name} {dataset.split}, {protocol.name}"
    plot_confusion(found.confusion, dataset.class_names, title, folder / "confusion.png")
    method = "measured:cuda" if device.type == "cuda" else "measured:host"
    for measurement in _rows(found, dataset, facts, match, method, outputs.choice):
        report.measured(measurement)
    if other is not None:
        report.measured(_difference(found, other, str(asked.against), method))


class _PictureSaver:
    """Saves pictures of what the network answers, and counts."""

    def __init__(self, case: Case, dataset: Dataset, folder: Path, report: Reporter) -> None:
        self._dataset, self._folder = dataset, folder
        self._tell = Progress(report).of("image", len(dataset))
        asked = case.options_as(EvaluateOptions)
        self._predictions, overlays = asked.predictions, min(asked.overlays, len(dataset))
        self._overlays = {round(place) for place in np.linspace(0, len(dataset) - 1, overlays)} if overlays else set()
        self._done = 0

    def __call__(self, sample: Sample, prediction: Pixels) -> None:
        name = sample.name.replace("/", "_")
        if self._predictions:
            save_prediction(prediction, self._dataset.palette, self._folder / "predictions" / f"{name}.png")
            if self._dataset.name == "cityscapes":
                write_prediction(self._folder / "labelIds", sample.name, prediction)  # what its test server takes
        if self._done in self._overlays:
            path = self._folder / "overlays" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            side_by_side(sample, prediction, self._dataset.palette).save(path)
        self._done += 1
        self._tell(self._done)


def _rows(
    found: Evaluation, dataset: Dataset, facts: Mapping[str, Any], match: Match, method: str, output: str | None
) -> Iterator[Measurement]:
    confusion = found.confusion
    detail: dict[str, Json] = {
        "absent_classes": "skip",
        "miou_absent_as_zero": confusion.miou("zero"),
        "class_accuracy_absent_as_zero": confusion.class_accuracy("zero"),
        "iou": {name: _number(value) for name, value in zip(dataset.class_names, confusion.iou, strict=True)},
        "images": len(found.names),
        "broken": len(dataset.broken),
        "left_out": left_out_names(dataset.broken),
        "fingerprint": dataset.fingerprint,
        "protocol": found.protocol.to_json(),
        "output": output,
        "checkpoint": {name: facts.get(name) for name in ("model", "step", "kind", "arguments")},
        "weights": {"loaded": len(match.loaded), "unmatched": match.unmatched()},
        "trained_on": facts.get("data", {}).get("dataset"),
    }
    row = partial(_measurement, method=method, protocol=found.protocol.name)
    yield row("miou", confusion.miou(), detail=detail)
    yield row("pixel_accuracy", confusion.pixel_accuracy)
    yield row("class_accuracy", confusion.class_accuracy())
    yield row("miou_image_mean", found.image_mean_miou())
    if found.boundary is not None:
        yield row("boundary_f", found.boundary.mean_f_score)


def _difference(found: Evaluation, other: Evaluation, place: str, method: str) -> Measurement:
    """In mIoU, with the 95 % interval of a bootstrap that draws the same images for both.

    Raises:
        DataError: the other evaluation is of other images or classes.
    """
    if found.names != other.names or found.matrices.shape != other.matrices.shape:
        seen = f"{len(other.names)} images in {other.matrices.shape[1]} classes"
        raise DataError(f"{place} is of other images ({seen}); evaluate both networks on the same split")
    draws = Resampling(len(found.names))
    low, high = interval(mean_iou(draws.sums(found.matrices)) - mean_iou(draws.sums(other.matrices)))
    value = found.confusion.miou() - other.confusion.miou()
    detail = {"against": place, "other_miou": other.confusion.miou(), "other_protocol": other.protocol.to_json()}
    factors = {"protocol": found.protocol.name}
    return Measurement(
        "miou_difference", value, method, spread_low=low, spread_high=high, factors=factors, detail=detail
    )


def _measurement(
    quantity: str, value: float, method: str, protocol: str, detail: dict[str, Json] | None = None
) -> Measurement:
    number = _number(value)
    cause = None if number is not None else "the split has no labelled pixel"
    return Measurement(quantity, number, method, cause=cause, factors={"protocol": protocol}, detail=detail or {})


def _number(value: float) -> float | None:
    """nan, which JSON does not have, as None."""
    return None if math.isnan(value) else float(value)
