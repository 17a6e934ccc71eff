from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from segbench import nvml


class FakeLibrary(SimpleNamespace):
    """Three cards, as pynvml tells of them."""

    def __init__(self) -> None:
        super().__init__(open=0)

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
        return b"Fake card %d" % handle

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(total=32 * 10**9, used=10**9)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "999.1"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    fake = FakeLibrary()
    monkeypatch.setitem(sys.modules, "pynvml", fake)  # type: ignore[arg-type]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_cards_are_told_without_torch_and_the_library_is_closed(library: FakeLibrary) -> None:
    assert [card.name for card in nvml.visible_cards()] == ["Fake card 0", "Fake card 1", "Fake card 2"]
    assert nvml.driver_version() == "999.1"
    assert library.open == 0


@pytest.mark.parametrize(
    ("visible", "names"),
    [("2,0", ["Fake card 2", "Fake card 0"]), ("", []), ("GPU-11", ["Fake card 1"]), ("1,9,0", ["Fake card 1"])],
)
def test_cards_are_counted_as_cuda_counts_them(
    library: FakeLibrary, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [card.name for card in nvml.visible_cards()] == names


def test_without_a_driver_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.visible_cards() == []
    assert nvml.driver_version() is None
