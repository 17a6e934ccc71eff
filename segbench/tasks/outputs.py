"""Tells which of a network's outputs was read, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterator

from segbench.libraries.traits import Traits
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.tasks.protocol import Reporter
from segbench.workload.outputs import OutputReader


def tell_outputs(outputs: OutputReader, case: Case, report: Reporter) -> None:
    """Notes where there was a choice or something to do; rows of what differs from a network that answers with one
    map of full size, for comparisons.
    """
    traits = outputs.traits
    for sentence in [*outputs.notes(), *_on_padding(outputs, case), *_on_loss(traits, case)]:
        report.note(f"{case.model}: {sentence}")
    if outputs.stride > 1 or traits.normalisation:
        detail = {"normalisation": traits.normalisation} if traits.normalisation else {}
        report.measured(Measurement("output_stride", outputs.stride, "counted", detail=detail))
    auxiliary = outputs.auxiliary or (traits.auxiliary if "train" in case.modes else 0)
    if auxiliary:
        report.measured(Measurement("auxiliary_outputs", auxiliary, "counted", "train"))


def _on_padding(outputs: OutputReader, case: Case) -> Iterator[str]:
    height, width = outputs.traits.padded((case.height, case.width))
    if outputs.pads and (height, width) != (case.height, case.width):
        yield f"images of {case.width}x{case.height} are padded to {width}x{height}"


def _on_loss(traits: Traits, case: Case) -> Iterator[str]:
    if traits.loss is not None and "train" in case.modes:
        assumed = f"; the prediction assumes {traits.assumed}" if case.device == "none" and traits.assumed else ""
        unread = "" if case.aux_weight is None else "; --aux-weight has no part in it"
        yield f"trained by {traits.loss}{assumed}{unread}"
