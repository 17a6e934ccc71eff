from __future__ import annotations

from pathlib import Path

import pytest

from segbench.records.dataset_spec import DatasetSpec, dataset_name, published_dataset


@pytest.mark.parametrize(
    ("text", "name", "card", "digest", "options"),
    [
        ("camvid", "camvid", None, "", ""),
        ("camvid:grouping=strict", "camvid", None, "", "grouping=strict"),
        ("sets/mine.toml", "mine", "sets/mine.toml", "", ""),
        ("mine.toml:a=1,b=2", "mine", "mine.toml", "", "a=1,b=2"),
        ("own#3fa94c01@/home/me/my sets/mine.toml", "own", "/home/me/my sets/mine.toml", "3fa94c01", ""),
        ("own#3fa94c01@/a:b@c/mine.toml:x=y", "own", "/a:b@c/mine.toml", "3fa94c01", "x=y"),
    ],
)
def test_a_spec_is_read_and_written_back(text: str, name: str, card: str | None, digest: str, options: str) -> None:
    spec = DatasetSpec.parse(text)
    assert spec == DatasetSpec(name, Path(card) if card else None, digest, options)
    assert str(spec) == text


def test_a_record_names_a_users_data_set_without_its_place() -> None:
    assert published_dataset("own#3fa94c01@/home/me/mine.toml:x=y") == "own:x=y"
    assert published_dataset("/home/me/mine.toml") == "mine"
    assert published_dataset("camvid:grouping=strict") == "camvid:grouping=strict"
    assert dataset_name("own#3fa94c01@/home/me/mine.toml:x=y") == "own"


def test_advice_names_the_file_as_the_user_writes_it() -> None:
    assert DatasetSpec.parse("own#3fa94c01@/home/me/mine.toml:x=y").written == "/home/me/mine.toml:x=y"
