"""Which way imports go, and that tests use public names, read from the source itself."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOMS = ("benchmarks", "strategies", "backbones")
LAZY = {"torch", "torchvision", "timm", "albumentations"}
# of benchmarks/, from the top down: a room imports none of a line above its own
FLOORS = (
    {"__main__", "cli"},
    {"commands"},
    {"contract", "tools"},
    {"running"},
    {"training", "progress"},
    {"planning"},
    {"suites", "leaderboard"},
    {"data", "records"},
    {"support"},
)


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
    assert importers == [repository / "benchmarks" / "training" / "batching" / "augment.py"]


def test_no_room_imports_the_tests(repository: Path) -> None:
    assert not [file for room in ROOMS for file in files(repository, room) if "tests" in imports(file)]


def test_no_pickle_anywhere(repository: Path) -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert not [file for room in ROOMS for file in files(repository, room) if imports(file) & unsafe]


def test_strategies_import_torch_only_where_they_use_it(repository: Path) -> None:
    for file in files(repository, "strategies"):
        assert not imports(file, top_level_only=True) & LAZY, file


def module_name(repository: Path, file: Path) -> str:
    parts = file.relative_to(repository).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run, or that a type checker reads, when the module itself is imported."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from outside_functions(child)


def modules_imported(nodes: Iterable[ast.AST], known: set[str]) -> set[str]:
    """Return those of the `known` modules that the nodes import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found & known


@pytest.fixture(scope="module")
def sources(repository: Path) -> dict[str, ast.Module]:
    """Return the source of every module by name."""
    return {
        module_name(repository, file): ast.parse(file.read_text(encoding="utf-8"))
        for room in ROOMS
        for file in files(repository, room)
    }


def test_rooms_import_lower_rooms_only(sources: dict[str, ast.Module]) -> None:
    floors = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    rooms = {name: name.split(".")[1] for name in sources if name.count(".") and name.startswith("benchmarks.")}
    public = {name for name in rooms if rooms[name] not in floors and name.count(".") == 1}  # the API's own module
    assert {rooms[name] for name in rooms.keys() - public} == set(floors), "a new room needs its floor"
    upwards = [
        f"{name} imports {target}"
        for name in rooms.keys() - public
        for target in modules_imported(ast.walk(sources[name]), rooms.keys() - public - {name})
        if floors[rooms[target]] < floors[rooms[name]]
    ]
    assert not upwards


def test_no_import_runs_in_a_circle(sources: dict[str, ast.Module]) -> None:
    graph = {
        name: {
            target
            for target in modules_imported(outside_functions(tree), sources.keys() - {name})
            if not f"{name}.".startswith(f"{target}.") and not f"{target}.".startswith(f"{name}.")
        }
        for name, tree in sources.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_every_module_can_be_imported_here(sources: dict[str, ast.Module]) -> None:
    for name in sources:
        if not name.startswith("benchmarks.running.ray") and not name.endswith("__main__"):
            importlib.import_module(name)


def private_names(source: str) -> Iterator[str]:
    """Yield what a piece of source uses of other modules and objects that has a name with an underscore in front."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            names = [] if own or ast.unparse(node) == "os._exit" else [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            names = [text.rpartition(".")[2] for text in texts if isinstance(text, str)]
        else:
            names = []
        yield from (ast.unparse(node) for name in names if re.match(r"_[a-z]", name))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from a.b import _c", ["from a.b import _c"]),
        ("a.b()._c", ["a.b()._c"]),
        ("patch.setattr('a.b._c', 1)", ["patch.setattr('a.b._c', 1)"]),
        ("self._c = os._exit; a.__doc__; _c(); a.b", []),
    ],
)
def test_the_reader_sees_private_names(source: str, found: list[str]) -> None:
    assert list(private_names(source)) == found


def test_tests_use_public_names_only(repository: Path) -> None:
    """Of this project: what stands in for a GPU needs parts of torch that have no public name."""
    found = [
        f"{file.relative_to(repository)}: {name}"
        for file in files(repository, "tests")
        if file != repository / "tests" / "gpu_waits.py"
        for name in private_names(file.read_text(encoding="utf-8"))
    ]
    assert not found
