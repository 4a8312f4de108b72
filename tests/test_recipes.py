"""The recipes of CONTRIBUTING.md: each is applied to a copy of the code, as shown, and does what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.process import bench, script

PACKAGES = ("backbones", "benchmarks", "strategies")
BLOCK = re.compile(r"`([\w/-]+\.\w+)`(, at its\s+end)?:\n\n```(python|diff)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"```\n(python .*?)\n```")
PAGE = Path("results", "fashion-small", "leaderboard.md")
# recipe -> how many files it touches, and what its command prints or writes to `PAGE`
RECIPES = {
    "strategy": (1, "Every clause is kept."),
    "dataset": (1, "width 4"),
    "metric": (1, "harmonic_mean"),
    "leaderboard column": (1, " epochs |"),
    "figure": (1, "(figures/seeds.svg)"),
    "recipe option": (2, ""),
}


@pytest.fixture(scope="module")
def sections(repository: Path) -> dict[str, str]:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(r"^### Add an? (.+?): .*?\n(.*?)(?=^##)", text, re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(repository / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(repository / "results" / "fashion-small", tmp_path / "results" / "fashion-small")
    return tmp_path


def apply(section: str, place: Path) -> list[str]:
    """Apply the blocks of a recipe below `place`; return the files that they change."""
    changed = []
    for name, at_the_end, kind, code in BLOCK.findall(section):
        file = place / name
        if kind == "diff":
            lines = code.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] != "+")
            after = "".join(line[1:] for line in lines if line[0] != "-")
            assert file.read_text().count(before) == 1, f"{name} has changed: bring CONTRIBUTING.md up to date"
            file.write_text(file.read_text().replace(before, after))
        elif at_the_end:
            file.write_text(f"{file.read_text()}\n\n{code}")
        else:
            assert file.parent.is_dir() and not file.exists()
            file.write_text(code)
        changed.append(name)
    return changed


def run(place: Path, *words: str) -> str:
    if words[:2] == ("-m", "benchmarks"):
        done = bench(place, *words[2:], path=place)
    else:
        assert words[0] == "-c"
        done = script(place, *words[1:], path=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_recipe_is_tested(sections: dict[str, str]) -> None:
    assert set(sections) == set(RECIPES)


@pytest.mark.parametrize("name", [name for name, (_, printed) in RECIPES.items() if printed])
def test_recipe(name: str, sections: dict[str, str], copy: Path) -> None:
    files, printed = RECIPES[name]
    (command,) = COMMAND.findall(sections[name])
    _, *words = shlex.split(command)
    assert len(apply(sections[name], copy)) == files
    assert printed not in (copy / PAGE).read_text()
    assert printed in run(copy, *words) + (copy / PAGE).read_text()


def test_recipe_of_a_recipe_option(sections: dict[str, str], copy: Path) -> None:
    assert len(set(apply(sections["recipe option"], copy))) == RECIPES["recipe option"][0]
    code = (
        "from torch.nn import Linear; from benchmarks.suites.suite import load; import sys;"
        "from benchmarks.training.optimizers import make_optimizer;"
        "print([make_optimizer(load(name).recipe, Linear(2, 2)).param_groups[0]['nesterov'] for name in sys.argv[1:]])"
    )
    digits = (copy / "benchmarks" / "suites" / "digits.toml").read_text()
    (copy / "own.toml").write_text(digits.replace("[recipe]", "[recipe]\nnesterov = true"))
    assert run(copy, "-c", code, "digits", "own.toml") == "[False, True]\n"
