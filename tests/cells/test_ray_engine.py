"""Where a Ray cluster's head is looked for; a real cluster is in `tests/cluster`."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from segbench.cells.ray_engine import RayEngine, _require_listener, _with_port


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
