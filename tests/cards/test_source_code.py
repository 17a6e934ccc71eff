from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.source_code import source_text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `nets` with a helper, a subpackage and a file beside it."""
    (tmp_path / "nets" / "blocks").mkdir(parents=True)
    (tmp_path / "nets" / "__init__.py").write_text("")
    (tmp_path / "nets" / "blocks" / "__init__.py").write_text("from .deep import Deep\n")
    (tmp_path / "nets" / "blocks" / "deep.py").write_text("class Deep: ...\n")
    (tmp_path / "nets" / "unet.py").write_text("from nets.blocks import Deep\nimport helper, torch, json\n")
    (tmp_path / "helper.py").write_text("WIDTH = 8\n")
    (tmp_path / "unused.py").write_text("A = 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", ["nets/unet.py", "nets/blocks/deep.py", "nets/__init__.py", "helper.py"])
@pytest.mark.parametrize("builder", ["nets.unet:Net", "FOLDER/nets/unet.py:Net"])
def test_an_edit_anywhere_a_network_comes_from_changes_its_text(folder: Path, file: str, builder: str) -> None:
    if builder.startswith("FOLDER") and file == "nets/__init__.py":
        (folder / "nets" / "unet.py").write_text("import nets.blocks\n")
    builder = builder.replace("FOLDER", str(folder))
    before = source_text(builder)
    assert source_text(builder) == before
    (folder / file).write_text((folder / file).read_text() + "EDITED = True\n")
    assert source_text(builder) != before


def test_a_file_that_is_not_imported_does_not_matter(folder: Path) -> None:
    before = source_text("nets.unet:Net")
    (folder / "unused.py").write_text("A = 2\n")
    assert source_text("nets.unet:Net") == before


def test_installed_packages_count_by_their_version(folder: Path) -> None:
    assert b"torch 2." in source_text("nets.unet:Net") and b"json" not in source_text("helper:WIDTH")


def test_a_module_that_is_nowhere_or_cannot_be_parsed_has_no_imports(folder: Path) -> None:
    (folder / "broken.py").write_text("def :\n")
    assert source_text("nowhere:Net") == b""
    assert source_text("broken:Net") == b"def :\n"
