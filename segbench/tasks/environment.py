"""Records under what a child measures: device, driver, software and every switch that changes a number."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from segbench import __version__
from segbench.meters.cuda_memory import remember_level
from segbench.nvml import driver_version
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.host import cpu_count, cpu_name, host_hash

_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "CUBLAS_WORKSPACE_CONFIG",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "OMP_NUM_THREADS",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
)


def describe(case: Case) -> Environment:
    """The environment of this process for a case, after the case's switches were set."""
    remember_level(torch.device("meta" if case.device == "none" else case.device))
    apply_case_switches(case)
    cuda = case.device.startswith("cuda")
    properties = torch.cuda.get_device_properties(case.device) if cuda else None
    cudnn = torch.backends.cudnn.version() if cuda else None  # type: ignore[no-untyped-call]
    return Environment(
        device=case.device,
        device_name=properties.name if properties else cpu_name() if case.device == "cpu" else "none",
        torch=torch.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {_kernel()} {platform.machine()}",
        host=host_hash(),
        threads=torch.get_num_threads(),
        cuda=torch.version.cuda if cuda else None,
        cudnn=str(cudnn) if cudnn else None,
        driver=driver_version() if cuda else None,
        device_memory_bytes=properties.total_memory if properties else None,
        cpu=cpu_name(),
        cpu_count=cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        segbench=__version__,
        commit=_commit(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        switches=_switches(),
    )


def apply_case_switches(case: Case) -> None:
    """Sets threads, TF32 and cudnn.benchmark as the case says, before anything runs.

    Cases on no device run side by side, so that each has one thread unless it says otherwise.
    """
    threads = case.threads or (1 if case.device == "none" else None)
    if threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = case.tf32
    torch.backends.cudnn.allow_tf32 = case.tf32
    torch.backends.cudnn.benchmark = case.cudnn_benchmark


def _kernel() -> str:
    """The kernel's version without the builder's suffix, which names whose machine it is."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])


def _switches() -> dict[str, Json]:
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return {
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "variables": variables,
    }


def _commit() -> str | None:
    """The commit of the checkout segbench runs from; None in an installed wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
