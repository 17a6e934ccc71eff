"""Ray as an engine: a job is one task, on a worker with what it reserves and the user's files."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from segbench.cells.cluster import EngineLost, Needs, Standing, WorkerLost, sentence_of
from segbench.cells.sent import Sent, unpack
from segbench.cells.worker import RemoteAnswer, RemoteJob, answer, worker_node
from segbench.devices.node import Node
from segbench.errors import UserError

_DESCRIBE_S = 120.0
"""What a node may take to start a worker and say what it has."""
_HEAD_S = 1.0
"""How often the head is looked for."""
_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""After so long without a head Ray ends the process, by itself after a minute; we say a sentence before."""
_CLIENT_PORT = 10001
"""Where `ray start --head` listens for clients by default."""
_QUICK_S = 0.5
"""What a healthy head takes to answer."""
_KIND = "accelerator_type:"
"""Before the name of a node's GPU among its resources."""
_GOES_ON = "what was measured is in the ledger, and the same command goes on from there"


class RayEngine:
    """A running Ray cluster.

    Args:
        address: `auto` for the cluster that this machine is part of, or `ray://HOST[:10001]`.
        accelerator: as Ray names it (`A100`); None for any.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str, accelerator: str | None = None) -> None:
        self._ray = _library()
        self._accelerator = accelerator
        self._tasks: dict[Needs, Any] = {}
        self._stored: dict[str, Any] = {}
        self._sizes: dict[Any, Needs] = {}
        self._standing, self._asking = Standing(0, 0), cast("threading.Thread | None", None)
        named = _with_port(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        os.environ.setdefault(_PATIENCE, "3600")
        try:
            if named != "auto":
                _require_listener(named)
            self._ray.init(address=named, log_to_driver=False, logging_level="error")
        except (OSError, ValueError, RuntimeError) as error:  # a ConnectionError is an OSError
            raise UserError(
                f"no Ray cluster answers at {named}; start one with `ray start --head`, or say --address ray://HOST:10001"
            ) from error
        head = getattr(self._ray.get_runtime_context(), "gcs_address", "") if address == "auto" else ""
        self._head = _Head(head)

    def nodes(self, gpus: bool) -> Sequence[Node]:  # a node tells its GPUs to whoever asks
        """Every node, asked by a task of its own."""
        alive = self._alive()
        if not alive:
            there = self._accelerators()
            offer = f"it has {', '.join(there)}: take one of them, or" if there else "none has any:"
            raise UserError(
                f"no node of the Ray cluster has the accelerator {self._accelerator}; {offer} leave --accelerator out"
            )
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        task = self._ray.remote(worker_node)
        asked = [task.options(num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False)) for node in alive]
        try:
            found: list[Node] = self._ray.get([item.remote() for item in asked], timeout=_DESCRIBE_S)
        except self._ray.exceptions.RayError as error:
            if _names(self._alive()) != _names(alive):  # one has died since it was listed
                return self.nodes(gpus)
            raise UserError(f"a Ray node cannot run segbench: {sentence_of(error)}; install segbench on it") from error
        return found

    def start(self, calls: Sequence[tuple[RemoteJob, Needs]]) -> Sequence[Any]:
        handles = [self._task(needs).remote(call, self._files(call.sent)) for call, needs in calls]
        self._sizes |= {handle: needs for handle, (_, needs) in zip(handles, calls, strict=True)}
        return handles

    def ended(self, handles: Collection[Any], wait_s: float) -> Collection[Any]:
        self._head.require()
        try:
            first, rest = self._ray.wait(list(handles), timeout=wait_s)
            more = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        except (ConnectionError, self._ray.exceptions.RaySystemError) as error:
            raise EngineLost(f"the Ray cluster does not answer any more; {_GOES_ON}") from error
        return [*first, *more]

    def answer(self, handle: Any) -> RemoteAnswer:
        self._sizes.pop(handle, None)
        try:
            found: RemoteAnswer = self._ray.get(handle)
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(sentence_of(error)) from error
        return found

    def standing(self, handles: Collection[Any]) -> Standing:
        """By what is reserved: Ray tells no command which of its tasks run.

        Asked in a thread of its own: a question to a head that has just died never returns.
        """
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask_standing, args=(list(handles),), daemon=True)
            self._asking.start()
            self._asking.join(_QUICK_S)
        return self._standing

    def _ask_standing(self, handles: Sequence[Any]) -> None:
        needs = [self._sizes[handle] for handle in handles if handle in self._sizes]
        whole, free = self._ray.cluster_resources(), self._ray.available_resources()
        kind = "GPU" if any(item.gpus for item in needs) else "CPU"
        each = max((item.gpus if kind == "GPU" else item.cpus or self._most("CPU") for item in needs), default=1)
        used = whole.get(kind, 0) - free.get(kind, 0)
        self._standing = Standing(len(self._alive()), min(len(handles), round(used / max(each, 1))))

    def cancel(self, handles: Collection[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle, force=True)

    def _alive(self) -> list[dict[str, Any]]:
        kind = f"{_KIND}{self._accelerator}"
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        return [node for node in nodes if self._accelerator is None or kind in node["Resources"]]

    def _accelerators(self) -> list[str]:
        resources = {name for node in self._ray.nodes() if node["Alive"] for name in node["Resources"]}
        return sorted(name.removeprefix(_KIND) for name in resources if name.startswith(_KIND))

    def _most(self, kind: str) -> int:
        """CPU or GPU of the node that has most of them: whoever reserves so many is alone."""
        return max((int(node["Resources"].get(kind, 0)) for node in self._alive()), default=0)

    def _require_a_node(self, needs: Needs) -> None:
        """Raises:
        UserError: no node has so much, and Ray would wait for one without end.
        """
        for kind, wanted in (("GPU", needs.gpus), ("CPU", needs.cpus or 0)):
            if wanted > (most := self._most(kind)):
                raise UserError(
                    f"a case needs {wanted} {kind}s of one node, and no node of the Ray cluster has more than {most}; "
                    f"ask for fewer ({'--ranks' if kind == 'GPU' else '--cpus'}) or start a larger node first"
                )

    def _task(self, needs: Needs) -> Any:
        if needs not in self._tasks:
            self._require_a_node(needs)
            self._tasks[needs] = self._ray.remote(_answer_with_files).options(
                num_gpus=needs.gpus,
                num_cpus=needs.cpus or self._most("CPU"),
                accelerator_type=self._accelerator,
                max_retries=0,  # we try again ourselves, and record it
            )
        return self._tasks[needs]

    def _files(self, sent: Sent) -> Any:
        """The files in Ray's store, once; a task's runtime environment takes no folder of the asking machine."""
        if sent.folder not in self._stored:
            self._stored[sent.folder] = self._ray.put(sent.texts() if sent.files else {})
        return self._stored[sent.folder]


def _answer_with_files(job: RemoteJob, texts: dict[str, bytes]) -> RemoteAnswer:
    """On the worker: the user's files lie in a folder of their contents' name, which the next job finds again."""
    folder = Path(tempfile.gettempdir()) / "segbench-sent" / Path(job.sent.folder).name
    unpack(texts, folder)
    return answer(job, root=str(folder) if texts else "")


@dataclass
class _Head:
    """The head's address, looked at now and then.

    Args:
        address: `host:port`; empty where Ray's own client watches.
    """

    address: str
    _looked: float = 0.0

    def require(self) -> None:
        """Raises:
        EngineLost: nobody listens there.
        """
        if not self.address or time.monotonic() < self._looked + _HEAD_S:
            return
        self._looked = time.monotonic()
        try:
            _require_listener(self.address)
        except OSError as error:
            raise EngineLost(f"the Ray head at {self.address} does not answer any more; {_GOES_ON}") from error


def _names(nodes: Sequence[dict[str, Any]]) -> set[str]:
    return {str(node["NodeID"]) for node in nodes}


def _with_port(address: str) -> str:
    """`ray://HOST` with the port that a head's server of clients has by default; Ray would ask at gRPC's."""
    if not address.startswith("ray://") or urlsplit(address).port is not None:
        return address
    return f"{address.rstrip(':/')}:{_CLIENT_PORT}"


def _require_listener(address: str) -> None:
    """Ray itself would ask for as long as its patience lasts.

    Raises:
        OSError: nobody listens at `[ray://]host:port`, where a host of colons is in brackets.
        ValueError: an address without a port.
    """
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is None:
        raise ValueError(f"{address} names no port")
    socket.create_connection((place.hostname, place.port), timeout=10).close()


def _library() -> Any:
    """Raises:
    UserError: it is not installed.
    """
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UserError("--executor ray needs Ray: pip install 'segbench[ray]'") from error
    return ray
