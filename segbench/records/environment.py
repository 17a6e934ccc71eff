"""Under what a measurement was taken: recorded in full by the child, published without names of hosts or paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

from pydantic import ConfigDict

from segbench.records.case import Json
from segbench.records.shapes import AS_RECORDED


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine, the software and the switches of one child process.

    Attributes:
        device: `cpu`, `cuda:0` or `none`; device_name is the GPU's or the processor's name.
        host: a salted hash, so that a ledger can be published.
        switches: TF32, cudnn.benchmark, deterministic, allocator settings, environment variables that matter.
        notes: what disturbed the measurement (other processes on the GPU, throttling), as sentences.
    """

    device: str
    device_name: str
    torch: str
    python: str
    platform: str
    host: str
    threads: int
    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None
    device_memory_bytes: int | None = None
    cpu: str | None = None
    cpu_count: int | None = None
    memory_bytes: int | None = None
    segbench: str = ""
    commit: str | None = None
    started: str = ""
    switches: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = AS_RECORDED

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Environment:
        """Inverse of `to_json`; fields a newer version added are ignored."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        values["notes"] = tuple(values.get("notes", ()))
        return cls(**values)
