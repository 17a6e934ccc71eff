"""Mixed precision on `meta`: the casts that a device's autocast would make, made by a function mode.

Autocast is a dispatch key of real devices, which `meta` tensors do not have. Here a device's lists (`cast_lists`) are
applied to the functions a program calls: a cast that autograd sees, and a cache of rounded weights until the outermost
region ends. With the CPU's lists predictions equal real runs; CUDA's were not compared with a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from segbench.estimate.cast_lists import LISTS, CastLists
from segbench.estimate.corrections import Target
from segbench.estimate.replacing import replaced

LABEL = (
    "mixed precision is predicted by CUDA's lists of casts; with the CPU's lists the same equals real runs, but it was "
    "not compared with a GPU"
)
_HALVES = (torch.float16, torch.bfloat16)


class MetaAutocast:
    """The state that `torch.autocast` keeps for a device, kept for `meta`.

    Args:
        lists: which functions are cast.
        warn: told of what is predicted less surely because of mixed precision.
    """

    def __init__(self, lists: CastLists, warn: Callable[[str], None]) -> None:
        self._lists, self._warn = lists, warn
        self._regions: list[tuple[bool, torch.dtype, bool]] = []
        self._rounded: dict[int, torch.Tensor] = {}

    @property
    def enabled(self) -> bool:
        return bool(self._regions) and self._regions[-1][0]

    @property
    def dtype(self) -> torch.dtype:
        return self._regions[-1][1] if self._regions else torch.float16

    @contextlib.contextmanager
    def region(self, dtype: torch.dtype | None, enabled: bool, cache: bool) -> Iterator[None]:
        """What `with torch.autocast(...)` does."""
        if enabled:
            self._warn(LABEL)
        self._regions.append((enabled, dtype or self.dtype, cache))
        try:
            with _Casting(self):
                yield
        finally:
            self._regions.pop()
            if not self._regions:
                self._rounded.clear()

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's result with its arguments cast as its list says."""
        name, lists = getattr(function, "__name__", ""), self._lists
        if not self.enabled:
            return function(*args, **kwargs)
        if name in lists.lower:
            return function(*self._cast(args, self.dtype), **self._cast(kwargs, self.dtype))
        if name in lists.single:
            return function(*self._cast(args, torch.float32), **self._cast(kwargs, torch.float32))
        if name in lists.single_result and _is_half(args) and kwargs.get("dtype") is None:
            return function(*args, **{**kwargs, "dtype": torch.float32})
        if name in lists.widest:
            return function(*self._cast(args, _widest(args, self.dtype)), **kwargs)
        if name == "cross_entropy":
            return self._cross_entropy(function, args, kwargs)
        if name == "multi_head_attention_forward":
            return self._casting_within(function, args, kwargs)
        return function(*args, **kwargs)

    def _casting_within(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function of many: its own calls are cast, and it must not ask the mode again whether to run."""
        with replaced(torch.nn.functional, "has_torch_function", lambda _: lambda _arguments: False), _Casting(self):
            return function(*args, **kwargs)

    def _cross_entropy(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The log-softmax keeps the scores' dtype, the loss on it is taken in float32 (`LossNLL.cpp`)."""
        scores = args[0] if args else kwargs["input"]
        if scores.dtype not in _HALVES or kwargs.get("label_smoothing"):
            return function(*args, **kwargs)
        chances = torch.nn.functional.log_softmax(scores, 1, dtype=scores.dtype).float()
        rest = {name: value for name, value in kwargs.items() if name not in ("input", "label_smoothing")}
        return torch.nn.functional.nll_loss(chances, *args[1:], **rest)

    def _cast(self, item: Any, dtype: torch.dtype) -> Any:
        if isinstance(item, torch.Tensor):
            return self._cast_tensor(item, dtype)
        if isinstance(item, dict):
            return {name: self._cast(value, dtype) for name, value in item.items()}
        if isinstance(item, (list, tuple)):
            return type(item)(self._cast(value, dtype) for value in item)
        return item

    def _cast_tensor(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        wide = tensor.dtype == torch.float64
        if not tensor.is_meta or not tensor.is_floating_point() or wide or tensor.dtype == dtype:
            return tensor
        is_weight = tensor.is_leaf and tensor.requires_grad and tensor.dtype == torch.float32 and not tensor._is_view()
        if not (is_weight and dtype == self.dtype and self._regions[-1][2]):
            return tensor.to(dtype)
        if id(tensor) not in self._rounded:
            with torch.enable_grad():  # as torch does, so that a later forward with gradients can share it
                self._rounded[id(tensor)] = tensor.to(dtype)
        return self._rounded[id(tensor)]


class _Casting(TorchFunctionMode):
    """Sends every function a program calls through the autocast."""

    def __init__(self, autocast: MetaAutocast) -> None:
        super().__init__()
        self._autocast = autocast

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._autocast.run(function, args, kwargs or {})


@contextlib.contextmanager
def autocast_on_meta(target: Target, warn: Callable[[str], None]) -> Iterator[None]:
    """Within it `torch.autocast` works for `meta`, and for `cuda`, which a network of its own may name."""
    state = MetaAutocast(LISTS[target], warn)

    def ours(kind: str) -> bool:
        return kind in ("meta", "cuda")

    def opening(original: Any) -> Callable[..., Any]:
        def autocast(
            device_type: str, dtype: torch.dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
        ) -> Any:
            if ours(device_type):
                return state.region(dtype, enabled, cache_enabled is not False)
            return original(device_type, dtype, enabled, cache_enabled)

        return autocast

    def asking(answer: Callable[[], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def ask(kind: str | None = None) -> Any:
                if kind is None:  # asks of CUDA, even while the CPU's autocast is on
                    return answer() if target == "cuda" else False
                return answer() if ours(kind) else original(kind)

            return ask

        return wrap

    def opening_on_cuda(_original: Any) -> Callable[..., Any]:
        def autocast(enabled: bool = True, dtype: torch.dtype | None = None, cache_enabled: bool = True) -> Any:
            return state.region(dtype or torch.float16, enabled, cache_enabled)

        return autocast

    with (
        replaced(torch, "autocast", opening),
        replaced(torch.cuda.amp, "autocast", opening_on_cuda),
        replaced(torch.amp, "autocast", opening),
        replaced(torch.amp, "is_autocast_available", asking(lambda: True)),
        replaced(torch, "is_autocast_enabled", asking(lambda: state.enabled)),
        replaced(torch, "get_autocast_dtype", asking(lambda: state.dtype)),
    ):
        yield


def _is_half(args: tuple[Any, ...]) -> bool:
    return bool(args) and isinstance(args[0], torch.Tensor) and args[0].dtype in _HALVES


def _widest(args: tuple[Any, ...], lower: torch.dtype) -> torch.dtype:
    items = [part for item in args for part in (item if isinstance(item, (list, tuple)) else (item,))]  # cat has a list
    dtypes = [item.dtype for item in items if isinstance(item, torch.Tensor) and item.is_floating_point()]
    return torch.float32 if torch.float32 in dtypes else lower
