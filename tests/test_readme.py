"""What the README shows works as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from benchmarks.cli import PROGRAM, app
from benchmarks.data.registry import names
from benchmarks.suites.choose import expand_backbones
from strategies import registry
from strategies.base import Facts, Progress
from strategies.combining.expression import parse


def test_the_strategy_in_one_file(repository: Path, tmp_path: Path, own_registry: None) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "sqrt_weights.py"
    file.write_text(code, encoding="utf-8")
    assert registry.load_file(file) == ["sqrt-weights"]
    facts = Facts((100, 4, 0), ("a", "b", "c"))
    np.testing.assert_allclose(parse("sqrt-weights").class_weights_C(facts, Progress(0, 1)), [0.1, 0.5, 1.0])
    np.testing.assert_allclose(parse("sqrt-weights(power=1)").class_weights_C(facts, Progress(0, 1)), [0.01, 0.25, 1.0])


def test_links_lead_somewhere(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (repository / link).exists()] == []


TEXTS = ["README.md", "RELIABILITY.md", "docs/clusters.md", "docs/plugins.md"]


def commands(text: str) -> list[list[str]]:
    """Return the words of every `python -m benchmarks ...` that a text shows, without comments."""
    shown = re.findall(rf"{PROGRAM} ([^`\n]+)", text.replace("\\|", "|"))  # a table's cells escape the bar
    return [words for words in (shlex.split(line, comments=True) for line in shown) if words]


def parsed(words: list[str]) -> dict[str, object]:
    """Return the parameters that the command line makes of `words`, which it does not run."""
    command, context = typer.main.get_command(app), None
    while True:
        context = command.make_context(None, list(words), parent=context)
        if not hasattr(command, "resolve_command"):
            return context.params
        _, command, words = command.resolve_command(context, words)


def test_every_text_is_looked_at(repository: Path) -> None:
    assert {path.relative_to(repository).as_posix() for path in repository.glob("docs/*.md")} <= set(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_commands_are_accepted(repository: Path, text: str) -> None:
    shown = commands((repository / text).read_text(encoding="utf-8"))
    assert shown
    for words in shown:
        dataset = parsed(words).get("dataset", "auto")
        assert dataset in (*names(), "auto"), words


def test_the_glob_selects_what_is_said_of_it(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    (glob, said) = re.findall(r"\(`(\S+\*)` is (.+?), the small ones\)", text)[0]
    shown = [parsed(words).get("backbone") for words in commands(text)]
    (patterns,) = [given for given in shown if given and "*" in given[0]]
    assert glob in patterns[0].split(",")
    assert expand_backbones(patterns) == [*said.split(" and "), "mobilenetv3:mlp2"]
