"""Whether two cells may be compared: all that differs between them besides the factor under comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from segbench.cards.naming import is_users_code
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.options import HOW_LONG

_NOT_CONDITIONS = frozenset(
    {"task", "model", "arguments", "device", "data_root", "options", "budget_bytes", "warmup", "seed", "threads"}
)
"""Fields of a case that are named otherwise here, or do not change what is compared."""
_OF_ONE_MODE = {"batch_size": "train", "infer_batch": "infer", "optimizer": "train"}
_AUXILIARY = ("aux", "aux_loss", "use_auxiliary_head", "auxiliary", "aux_head", "auxiliary_head", "deep_supervision")
"""Arguments by which builders in the wild switch an auxiliary head; it costs training memory and often no inference."""
_MARKED = frozenset({"torch", "cuda", "cudnn", "driver", "threads", "host", "seed", "segbench"})
"""Conditions that make a difference less certain but not senseless."""
_OF_THE_NETWORK = ("output stride", "normalisation")
"""Conditions that networks bring along, and that are marked likewise."""


@dataclass(frozen=True)
class Unlike:
    """One condition in which two cells differ.

    Attributes:
        refused: the numbers do not belong side by side; otherwise the row is only marked.
    """

    condition: str
    a: Json
    b: Json
    refused: bool

    def __str__(self) -> str:
        return f"{self.condition}: {self.a} against {self.b}"


def conditions(entry: Entry, optimizer: str | None = None) -> dict[str, Json]:
    """Everything that decides what an entry measured, under the names a user compares by.

    Args:
        optimizer: of the network's card, which holds where the case names none.
    """
    case, environment = entry.case, entry.environment
    found: dict[str, Json] = {"task": case.task, "model": entry.model}
    for item in fields(Case):
        mode = _OF_ONE_MODE.get(item.name)
        if item.name not in _NOT_CONDITIONS and (mode is None or mode in case.modes):
            found[item.name] = getattr(case, item.name)
    found |= {f"argument {name}": value for name, value in entry.arguments.items()}
    assert case.options is not None
    found |= {
        f"option {name}": _hashable(value) for name, value in case.options.given().items() if name not in HOW_LONG
    }
    if is_users_code(entry):
        found["source"] = entry.card_hash
    if "optimizer" in found:
        found["optimizer"] = case.optimizer or optimizer
    found["seed"] = case.seed
    found |= _of_outputs(entry)
    if environment is not None:
        found["device"] = environment.device_name
        found |= {name: getattr(environment, name) for name in sorted(_MARKED - {"seed"})}
        found |= {f"switch {name}": _hashable(value) for name, value in environment.switches.items()}
    return found


def _of_outputs(entry: Entry) -> dict[str, Json]:
    """What was done to the network's answer and to its images; a network without a word of it answers at full size."""
    rows = {item.quantity: item for item in entry.measurements}
    stride, auxiliary = rows.get("output_stride"), rows.get("auxiliary_outputs")
    found: dict[str, Json] = {
        "output stride": stride.value if stride else 1,
        "normalisation": stride.detail.get("normalisation") if stride else None,
    }
    if "train" in entry.case.modes:
        found["auxiliary outputs"] = auxiliary.value if auxiliary else 0
    return {name: value for name, value in found.items() if value is not None}


def unlike(a: Mapping[str, Json], b: Mapping[str, Json], compared: Collection[str] = ()) -> list[Unlike]:
    """The conditions in which A and B differ, those under comparison left out.

    Two networks differ in their arguments as a matter of course: if `model` is compared, only an auxiliary head is
    looked for among them.
    """
    found = []
    for name in sorted({*a, *b} - set(compared)):
        if "model" in compared and name.startswith("argument ") and name.removeprefix("argument ") not in _AUXILIARY:
            continue
        mine, other = a.get(name), b.get(name)
        if mine != other and not (name.startswith("argument ") and not mine and not other):
            found.append(Unlike(name, mine, other, refused=not _only_marked(name)))
    return found


def factors_between(a: Mapping[str, Json], b: Mapping[str, Json]) -> list[str]:
    """What one would say A and B are compared by: the refused differences; `model` stands for its arguments too."""
    compared = ["model"] if a.get("model") != b.get("model") else []
    return compared + [item.condition for item in unlike(a, b, compared) if item.refused]


def _only_marked(name: str) -> bool:
    return name in _MARKED or name in _OF_THE_NETWORK or name.startswith("switch ")


def _hashable(value: Json) -> Json:
    return sorted(value.items()) if isinstance(value, dict) else value
