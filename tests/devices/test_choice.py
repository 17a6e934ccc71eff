from __future__ import annotations

import pytest

from segbench import nvml
from segbench.devices import choice
from segbench.devices.choice import choose_device
from segbench.errors import UserError

V100 = nvml.Gpu(0, "Tesla V100", 32 * 10**9, 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with one V100 and a CUDA build of torch, unless a test says otherwise."""
    monkeypatch.setattr(nvml, "visible_gpus", lambda: [V100])
    monkeypatch.setattr(choice, "package_version", lambda _: "2.13.0")
    return monkeypatch


def test_auto_takes_the_first_card(machine: pytest.MonkeyPatch) -> None:
    device = choose_device("auto", "memory")
    assert (device.name, device.title, device.memory_bytes) == ("cuda:0", "Tesla V100", 32 * 10**9)


@pytest.mark.parametrize(("command", "name"), [("memory", "none"), ("max-batch", "none"), ("latency", "cpu")])
def test_auto_without_a_card_predicts_what_it_can(machine: pytest.MonkeyPatch, command: str, name: str) -> None:
    machine.setattr(nvml, "visible_gpus", list)
    assert choose_device("auto", command, predicts=name == "none").name == name


def test_auto_with_a_card_but_a_cpu_torch_says_why(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(choice, "package_version", lambda _: "2.13.0+cpu")
    assert "this torch has no CUDA" in choose_device("auto", "latency").why


@pytest.mark.parametrize(
    ("wanted", "command", "sentence"),
    [
        ("gpu", "memory", "choose auto, cpu, cuda"),
        ("cuda:3", "memory", "found cuda:0 Tesla V100"),
        ("none", "latency", "latency cannot be predicted"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    machine: pytest.MonkeyPatch, wanted: str, command: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        choose_device(wanted, command)


def test_cuda_without_a_cuda_torch_is_refused(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(choice, "package_version", lambda _: "2.13.0+cpu")
    with pytest.raises(UserError, match="has no CUDA"):
        choose_device("cuda", "memory")
