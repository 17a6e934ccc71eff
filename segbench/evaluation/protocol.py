"""How a network is asked: at which size, how often, mirrored or not, whole or in windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from segbench.cards.crops import crops_of, shown_size
from segbench.errors import UnknownName, UserError
from segbench.records.case import Case
from segbench.records.options import ProtocolOptions
from segbench.units import parse_size

Fusion = Literal["exp_logits", "softmax_mean"]
"""How the scores of several scales are joined: sums of exp(logits), HRNet's way, or means of probabilities."""

_LARGEST_SCALE = 100


@dataclass(frozen=True)
class Protocol:
    """One way to ask a network for the classes of an image; the answer always has the label's size.

    Attributes:
        name: as reports show it.
        width, height: what every image is stretched to; 0 takes `short_side` or the image's own size.
        short_side: what the shorter side is scaled to, the aspect kept; 0 for the image's own size.
        scales: factors on that size; several are fused.
        flip: also ask the mirrored image and average the logits, left and right classes changed back.
        window: (width, height) of sliding windows where the scaled image is larger; None asks it whole.
        whole_up_to: scales up to this are asked whole all the same (HRNet's Cityscapes protocol: 1).
        stride: windows step by this share of their size; their overlaps are averaged.
        fusion: see `Fusion`.
        multiple: sides are padded to a multiple of this, below and to the right, with the mean colour.
    """

    name: str = "single"
    width: int = 0
    height: int = 0
    short_side: int = 0
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None
    whole_up_to: float = 0.0
    stride: float = 2 / 3
    fusion: Fusion = "exp_logits"
    multiple: int = 1

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= _LARGEST_SCALE for scale in self.scales):
            found = ", ".join(f"{scale:g}" for scale in self.scales) or "none"
            raise UserError(f"scales {found} must be above 0 and at most {_LARGEST_SCALE}, as in 0.5,1,1.5")
        if not 0 < self.stride <= 1:
            raise UserError(f"a window's stride is {self.stride}; it must be above 0 and at most 1")

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at scale 1 of an image of that size."""
        if self.width and self.height:
            return self.width, self.height
        factor = self.short_side / min(width, height) if self.short_side else 1.0
        return round(width * factor), round(height * factor)

    @property
    def fuses(self) -> bool:
        """Whether several scales are joined; one scale's logits are taken as they are."""
        return len(self.scales) > 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Protocol:
        """Inverse of `to_json`."""
        values = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        for name in ("scales", "window"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return cls(**values)


_SIX_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)

PROTOCOLS: dict[str, Protocol] = {
    item.name: item
    for item in (
        Protocol("single"),
        Protocol("flip", flip=True),
        Protocol("multi-scale", scales=_SIX_SCALES, flip=True),
        Protocol("cityscapes-ms", scales=_SIX_SCALES, flip=True, window=(1024, 512), whole_up_to=1.0, stride=1.0),
        Protocol("lip", width=473, height=473, flip=True),
        Protocol("pascal-context", short_side=520, multiple=8),
        Protocol("pascal-context-ms", short_side=520, scales=(*_SIX_SCALES, 2.0), flip=True, multiple=8),
    )
}
"""The protocols of the papers by name, after HRNet's repository (`lib/core/function.py`, `lib/datasets/`)."""


def protocol_of(case: Case) -> Protocol:
    """How a case asks its network.

    The case's size and data set say how large an image is shown: stretched to the input's size, or with its shorter
    side scaled where images have many sizes. A training's size is that of its crops. Its options change the rest:
    `protocol`, a name of `PROTOCOLS` (one that has a size of its own keeps it, and refuses the option `input`, a size
    the user asked for), `scales` as in `0.5,1`, `flip`, `window` as in `512x512`.

    Raises:
        UnknownName: no such protocol or data set.
        UserError: scales or a window that cannot be read, or a second size.
    """
    asked = case.options if isinstance(case.options, ProtocolOptions) else ProtocolOptions()
    found = protocol_named(asked.protocol)
    if asked.input and (found.width or found.short_side):
        own = f"{found.width}x{found.height}" if found.width else f"the shorter side at {found.short_side}"
        raise UserError(f"protocol {found.name} shows images at a size of its own ({own}); leave --input out")
    if not (found.width or found.short_side) and case.dataset is not None:
        size = (case.width, case.height)
        found = _shown_at(found, case.dataset, *(shown_size(case.dataset, size) if case.task == "train" else size))
    changes: dict[str, Any] = {}
    if asked.scales:
        changes["scales"] = _numbers(asked.scales)
    if asked.flip is not None:
        changes["flip"] = asked.flip
    if asked.window:
        changes["window"] = parse_size(asked.window)
    return replace(found, name=f"{found.name}, changed" if changes else found.name, **changes)


def _shown_at(protocol: Protocol, dataset: str, width: int, height: int) -> Protocol:
    if crops_of(dataset).short_side:
        return replace(protocol, short_side=min(width, height))
    return replace(protocol, width=width, height=height)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"scales {text!r} are not numbers; write them like 0.5,1,1.5") from None


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UnknownName: none of `PROTOCOLS`.
    """
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
