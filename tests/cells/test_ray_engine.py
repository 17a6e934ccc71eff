"""Where a Ray cluster's head is looked for; a real cluster is in `tests/cluster`."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from segbench.cells.ray_engine import _require_listener, _with_port


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
