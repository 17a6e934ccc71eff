"""Peak resident memory of this process, as the operating system counts it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_rss_bytes() -> int:
    """The largest resident set this process ever had, in bytes.

    Linux's `VmHWM` starts afresh with the program, whereas `getrusage` inherits the parent's peak over `exec`.
    A process forked from a server starts with the server's pages, which are those of its own imports: see
    `segbench.tasks.resident`. macOS gives `ru_maxrss` in bytes, Linux in KiB.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
