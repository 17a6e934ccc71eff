"""Where a Ray cluster's head is looked for; a real cluster is in `tests/cluster`."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from segbench.cells.cluster import Needs
from segbench.cells.ray_engine import RayEngine, _require_listener, _with_port
from segbench.errors import UserError


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1:6379", ("127.0.0.1", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("ray://head:9", ("head", 9)),
        ("ray://head", ("head", 10001)),
        ("ray://[::1]", ("::1", 10001)),
    ],
)
def test_an_address_says_where_the_head_listens(
    monkeypatch: pytest.MonkeyPatch, address: str, place: tuple[str, int]
) -> None:
    asked: list[Any] = []

    def connect(where: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(where)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    _require_listener(_with_port(address))
    assert asked == [place]


@pytest.mark.parametrize("address", ["head", "head:", "head:port"])
def test_what_is_no_address_of_a_head_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="port"):
        _require_listener(address)


def test_a_node_that_dies_while_it_is_asked_is_left_out() -> None:
    class RayError(Exception): ...

    listed, answers = [["a", "b"], ["a"], ["a"]], [RayError("b does not exist any more"), ["what a has"]]

    def get(asked: Sequence[object], timeout: float) -> object:
        answer = answers.pop(0)
        if isinstance(answer, RayError):
            raise answer
        return answer

    strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda *_, **__: None)
    engine = RayEngine.__new__(RayEngine)
    engine._accelerator = None
    engine._ray = SimpleNamespace(
        nodes=lambda: [{"NodeID": name, "Alive": True} for name in listed.pop(0)],
        remote=lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: None)),
        get=get,
        exceptions=SimpleNamespace(RayError=RayError),
        util=SimpleNamespace(scheduling_strategies=strategies),
    )
    assert engine.nodes(gpus=False) == ["what a has"]


def with_nodes(*resources: dict[str, float], accelerator: str | None = None) -> RayEngine:
    engine = RayEngine.__new__(RayEngine)
    engine._accelerator = accelerator
    engine._ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": each} for each in resources])
    return engine


def test_an_accelerator_that_is_not_there_is_refused_with_those_that_are() -> None:
    engine = with_nodes({"GPU": 1, "accelerator_type:H100": 1}, {"CPU": 4}, accelerator="A100")
    with pytest.raises(UserError, match=r"has the accelerator A100; it has H100: take one of them, or leave"):
        engine.nodes(gpus=True)


def test_more_than_any_node_has_is_refused_with_what_to_do() -> None:
    engine = with_nodes({"CPU": 4}, {"CPU": 2, "GPU": 1})
    with pytest.raises(UserError, match=r"needs 5 CPUs .* more than 4; ask for fewer \(--cpus\) or start a larger"):
        engine._require_a_node(Needs(cpus=5, gpus=0))
    with pytest.raises(UserError, match=r"needs 2 GPUs .* more than 1; ask for fewer \(--ranks\)"):
        engine._require_a_node(Needs(cpus=None, gpus=2))
