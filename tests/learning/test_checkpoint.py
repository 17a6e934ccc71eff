"""Files that are cut, flipped, half written: an older state is found, and never a wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.errors import CheckpointError
from segbench.learning.checkpoint import (
    Checkpoint,
    DamagedCheckpoint,
    digest,
    read_checkpoint,
    read_last,
    save_checkpoint,
)


def state(step: int) -> Checkpoint:
    tensors = {
        "model/a": torch.full((3, 2), float(step)),
        "model/b": torch.tensor(step),
        "ema/a": torch.zeros(3).half(),
    }
    return Checkpoint(tensors, {"step": step, "model": "tiny"})


def save(folder: Path, step: int) -> None:
    save_checkpoint(state(step), folder / "last.safetensors", keep_previous=True)


def test_tensors_and_facts_come_back(tmp_path):
    save(tmp_path, 7)
    found = read_checkpoint(tmp_path / "last.safetensors")
    assert found.facts["step"] == 7 and found.facts["model"] == "tiny"
    assert all(torch.equal(found.tensors[name], value) for name, value in state(7).tensors.items())
    assert set(found.part("model")) == {"a", "b"}
    assert json.loads((tmp_path / "last.json").read_text()) == found.facts


def test_tensors_that_share_memory_are_kept_under_both_names(tmp_path):
    shared = torch.arange(6.0)
    save_checkpoint(Checkpoint({"a": shared, "b": shared, "c": shared[2:]}, {}), tmp_path / "last.safetensors")
    found = read_checkpoint(tmp_path / "last.safetensors").tensors
    assert [found[name].tolist() for name in "abc"] == [shared.tolist(), shared.tolist(), shared[2:].tolist()]


def test_the_state_before_is_kept_and_no_scraps_stay(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert read_checkpoint(tmp_path / "previous.safetensors").facts["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.json", "last.safetensors", "previous.safetensors"]


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert read_last(tmp_path) is None


def test_a_damaged_last_state_is_passed_over_with_a_warning(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    last = tmp_path / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-5])
    with pytest.warns(UserWarning, match=r"damaged.*going on from .*previous.*step 1"):
        found = read_last(tmp_path)
    assert found is not None and found.facts["step"] == 1


def test_a_missing_last_state_is_passed_over_too(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "last.safetensors").unlink()
    with pytest.warns(UserWarning, match="no checkpoint"):
        assert read_last(tmp_path).facts["step"] == 1


def test_two_damaged_states_are_an_error(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    for name in ("last", "previous"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"\x10")
    with pytest.raises(DamagedCheckpoint):
        read_last(tmp_path)


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed_or_harmless(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("flip") / "x.safetensors"
    save_checkpoint(state(5), path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = read_checkpoint(path)
    except CheckpointError:
        return
    assert found.facts["step"] == 5
    assert all(torch.equal(found.tensors[name], value) for name, value in state(5).tensors.items())


def test_a_write_that_fails_leaves_what_stood_there(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segbench.learning.checkpoint.save_file", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save(tmp_path, 2)
    assert read_last(tmp_path).facts["step"] == 1


def test_foreign_and_newer_files_are_refused_by_name(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="--init"):
        read_checkpoint(tmp_path / "foreign.safetensors")
    text, tensors = json.dumps({"format": 99}), {"w": torch.zeros(2)}
    save_file(tensors, tmp_path / "newer.safetensors", metadata={"segbench": text, "sha256": digest(tensors, text)})
    with pytest.raises(CheckpointError, match="upgrade"):
        read_checkpoint(tmp_path / "newer.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(tmp_path / "missing.safetensors")
