from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from segbench import nvml


class FakeLibrary(SimpleNamespace):
    """Three GPUs, as pynvml tells of them."""

    NVMLError = RuntimeError
    nvmlMemory_v2 = 2  # noqa: N815

    def __init__(self) -> None:
        super().__init__(open=0, versions={1, 2})

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}{handle}{handle}"

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"Fake GPU %d" % handle

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:
        if name != "MIG-7":
            raise RuntimeError("not found")
        return 7

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int = 1) -> SimpleNamespace:
        """The first version counts the driver's reserve of half a gigabyte as in use."""
        if version not in self.versions:
            raise RuntimeError("not supported")
        return SimpleNamespace(total=32 * 10**9, used=10**9 + (5 * 10**8 if version == 1 else 0))

    def nvmlSystemGetDriverVersion(self) -> str:
        return "999.1"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setitem(sys.modules, "pynvml", fake)  # type: ignore[arg-type]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_cards_are_told_without_torch_and_the_library_is_closed(library: FakeLibrary) -> None:
    assert [gpu.name for gpu in nvml.visible_gpus()] == ["Fake GPU 0", "Fake GPU 1", "Fake GPU 2"]
    assert nvml.driver_version() == "999.1"
    assert library.open == 0


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("2,0", ["Fake GPU 2", "Fake GPU 0"]),
        ("", []),
        ("GPU-11", ["Fake GPU 1"]),
        ("1,9,0", ["Fake GPU 1"]),
        ("MIG-7", ["Fake GPU 7"]),
        ("MIG-8", []),
    ],
)
def test_cards_are_counted_as_cuda_counts_them(
    library: FakeLibrary, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.name for gpu in nvml.visible_gpus()] == names


def test_without_a_driver_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.visible_gpus() == []
    assert nvml.driver_version() is None


@pytest.mark.parametrize(("versions", "used"), [({1, 2}, 10**9), ({1}, 15 * 10**8), (set(), None)])
def test_memory_in_use_leaves_out_the_drivers_reserve_where_nvml_can(
    library: FakeLibrary, versions: set[int], used: int | None
) -> None:
    library.versions = versions
    gpu = nvml.visible_gpus()[0]
    assert gpu.used_bytes == used
    assert (gpu.memory_bytes is None) == (used is None)
