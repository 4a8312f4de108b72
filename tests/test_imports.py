"""Which way imports go, read from the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = ("benchmarks", "strategies", "backbones")
LAZY = {"torch", "torchvision", "timm", "albumentations"}


def imports(file: Path, top_level_only: bool = False) -> set[str]:
    """Return the first part of every module that a file imports, wherever in it; or only what importing it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(tree.body) if top_level_only else list(ast.walk(tree))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in found}


def files(repository: Path, room: str) -> list[Path]:
    found = sorted((repository / room).rglob("*.py"))
    assert found, f"no source in {room}/"
    return found


def test_the_reader_sees_imports_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("import a.b\ndef f():\n    from c.d import e\n    import g as h\nif True:\n    import i\n")
    assert imports(file) == {"a", "c", "g", "i"}
    assert imports(file, top_level_only=True) == {"a"}


@pytest.mark.parametrize(
    ("room", "forbidden"), [("strategies", {"benchmarks"}), ("backbones", {"benchmarks", "strategies"})]
)
def test_nothing_imports_upwards(repository: Path, room: str, forbidden: set[str]) -> None:
    for file in files(repository, room):
        assert not imports(file) & forbidden, file


def test_only_augment_imports_albumentations(repository: Path) -> None:
    importers = [file for room in ROOMS for file in files(repository, room) if "albumentations" in imports(file)]
    assert importers == [repository / "benchmarks" / "training" / "augment.py"]


def test_no_room_imports_the_tests(repository: Path) -> None:
    assert not [file for room in ROOMS for file in files(repository, room) if "tests" in imports(file)]


def test_no_pickle_anywhere(repository: Path) -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert not [file for room in ROOMS for file in files(repository, room) if imports(file) & unsafe]


def test_strategies_import_torch_only_where_they_use_it(repository: Path) -> None:
    for file in files(repository, "strategies"):
        assert not imports(file, top_level_only=True) & LAZY, file
