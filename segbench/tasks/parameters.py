"""Reports how many parameters a network has, and how many of them training changes."""

from __future__ import annotations

from torch import nn

from segbench.libraries.traits import traits_of
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.tasks.protocol import Reporter


def tell_parameters(network: nn.Module, case: Case, report: Reporter) -> None:
    """Two rows, and notes where some parameters are frozen, or the network tells what it is; one that has several names
    counts once."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    total, trainable = sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
    traits = traits_of(network)
    images = {"normalisation": {"mean": traits.mean, "std": traits.std}} if traits.mean and traits.std else {}
    report.measured(Measurement("parameters", total, "counted", detail=images))
    report.measured(Measurement("trainable_parameters", trainable, "counted"))
    if trainable < total:
        report.note(f"{case.model}: {total:,} parameters ({trainable:,} trainable): the others are frozen")
    for sentence in getattr(network, "notes", ()):
        report.note(f"{case.model}: {sentence}")
