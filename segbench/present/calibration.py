"""A calibration as tables: what a GPU takes beside tensors, and the models of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segbench.devices.calibrations import Calibration
from segbench.present.formats import BYTES
from segbench.present.table import Column, Columns, Rows, Table, table_of


def calibration_tables(found: Calibration) -> list[Table]:
    """Context and cuBLAS, workspaces of convolutions beside their models, and what attention keeps."""
    lasting: Rows = [["CUDA context", found.context_bytes], ["a cuBLAS handle's workspace", found.cublas_bytes]]
    kept: Rows = [[name, size] for name, size in found.attention.items()]
    models = list(found.convolutions[0]["models"]) if found.convolutions else []
    rows: Rows = [
        [_named(row["convolution"]), row["direction"], row["taken"], *(row["models"][name] for name in models)]
        for row in found.convolutions
    ]
    columns: Columns = ["convolution", "direction", *(Column(name, BYTES) for name in ("taken", *models))]
    return [
        table_of(f"{found.gpu}, torch {found.torch}", ["", Column("bytes", BYTES)], lasting, name="calibration"),
        table_of(
            "cuDNN's workspaces",
            columns,
            rows,
            [f"predictions for this GPU take --workspaces {found.workspaces}, which comes nearest"],
            name="calibration_convolutions",
        ),
        table_of(
            "What attention keeps for the backward pass",
            ["kernel", Column("beside its result", BYTES)],
            kept,
            ["two images, 8 heads of 64, 1024 tokens, float16; empty: the GPU does not take it"],
            name="calibration_attention",
        ),
    ]


def _named(convolution: Mapping[str, Any]) -> str:
    """`3x3, 64 to 128, 128x128, stride 2, float16`."""
    kernel, side = convolution["kernel"], convolution["side"]
    usual = [f"{name} {convolution[name]}" for name in ("stride", "dilation", "groups") if convolution[name] != 1]
    half = ["float16"] if convolution["half"] else []
    channels = f"{convolution['channels']} to {convolution['filters']}"
    return ", ".join([f"{kernel}x{kernel}", channels, f"{side}x{side}", *usual, *half])
