"""What the operating system tells about this machine, the same for the command and for its children."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def cpu_name() -> str:
    """The processor's name as the system gives it, or its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cpu_count() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def host_hash() -> str:
    """Tells machines apart without naming them, so that a ledger can be published."""
    machine_id = Path("/etc/machine-id")
    secret = machine_id.read_text().strip() if machine_id.is_file() else ""
    return hashlib.sha256(f"segbench:{socket.gethostname()}:{secret}".encode()).hexdigest()[:12]


@cache
def package_version(name: str) -> str | None:
    """The installed version of a package without importing it; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
