"""Which module an operator belongs to: the one being called, or the one whose call is being differentiated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as module_hooks


class ModuleNames:
    """Follows calls of a network's modules and the autograd nodes they leave.

    A node is recognised in the backward pass by its sequence number, which counts up with every node made.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._calls: list[str] = []
        self._of_node: dict[int, str] = {}

    def present(self) -> str:
        """Qualified name of the module the present operator belongs to; empty outside of modules."""
        if self._calls:
            self._of_node.setdefault(torch._C._autograd._get_sequence_nr() - 1, self._calls[-1])
            return self._calls[-1]
        node = torch._C._current_autograd_node()
        return "" if node is None else self._of_node.get(node._sequence_nr(), "")

    @contextlib.contextmanager
    def following(self, network: nn.Module) -> Iterator[None]:
        """Within it the network's calls are followed."""
        self._names = {id(module): name for name, module in network.named_modules()}
        handles = (
            module_hooks.register_module_forward_pre_hook(self._enter),
            module_hooks.register_module_forward_hook(self._leave, always_call=True),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, _args: Any) -> None:
        inherited = self._calls[-1] if self._calls else ""
        self._calls.append(self._names.get(id(module), inherited))

    def _leave(self, _module: nn.Module, _args: Any, _output: Any) -> None:
        self._calls.pop()
