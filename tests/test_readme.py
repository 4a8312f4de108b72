"""What the README shows works as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from benchmarks.cli import PROGRAM, app, main
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


ROOT = Path(__file__).parent.parent
TEXTS = [path.relative_to(ROOT).as_posix() for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])]


@pytest.mark.parametrize("text", TEXTS)
def test_links_lead_somewhere(repository: Path, text: str) -> None:
    file = repository / text
    links = [link for link in re.findall(r"\]\(([^)#]+)", file.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("text", TEXTS)
def test_files_that_are_named_exist(repository: Path, text: str) -> None:
    """Paths in backticks; CONTRIBUTING.md also names files that its recipes create."""
    named = re.findall(
        r"`((?:tests|benchmarks|strategies|backbones|docs|examples)/[\w/.-]+)`", (repository / text).read_text()
    )
    created = {"strategies/losses/poly.py", "benchmarks/data/stripes.py", "benchmarks/leaderboard/figures/seeds.py"}
    known = created if text == "CONTRIBUTING.md" else set()
    assert [name for name in named if not (repository / name).exists() and name not in known] == []


def test_the_answer_is_that_of_the_leaderboards(repository: Path) -> None:
    """Each row of the README's first table is found, number by number, in the rows of its strategy."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    page = (repository / "results" / "fashion-frozen" / "leaderboard.md").read_text(encoding="utf-8").replace("*", "")
    text, page = (read.replace("\u00a0", " ") for read in (text, page))
    rows = re.findall(r"^\| `([\w+-]+)`.*?\|(.*)\|$", text.partition("## Start")[0], re.MULTILINE)
    assert len(rows) > 5
    for strategy, cells in rows:
        measured = {
            c.split(" ± ")[0].strip()
            for row in re.findall(rf"^.*[|=] {re.escape(strategy)} +[|=].*$", page, re.M)
            for c in row.split("|")
        }
        assert {cell.strip() for cell in cells.split("|")} - {""} <= measured, strategy


def test_the_findings_are_those_of_the_pages_that_they_name(repository: Path) -> None:
    """Every figure with three decimals is on a page to which its section of docs/findings.md links."""
    found = (repository / "docs" / "findings.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", found, flags=re.MULTILINE)[1:]
    assert len(sections) > 5
    for section in sections:
        links = re.findall(r"\]\((\.\./results/[^)#]+\.md)", section)
        pages = "".join((repository / "docs" / link).read_text(encoding="utf-8") for link in links)
        measured = set(re.findall(r"(?<![\d.])[01]\.\d{3}(?!\d)", pages))
        told = set(re.findall(r"(?<![\d.])[01]\.\d{3}(?!\d)", section))
        assert told <= measured, (section.splitlines()[0], told - measured)


def test_what_explain_is_shown_to_print(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository / "docs" / "usage.md").read_text(encoding="utf-8")
    ((command, printed),) = re.findall(rf"```\n\$ {PROGRAM} (.*?)\n(.*?)\n```", text, re.DOTALL)
    monkeypatch.chdir(repository)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out.strip() == printed.strip()


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


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "CONTRIBUTING.md"])  # its recipes are run
def test_commands_are_accepted(repository: Path, text: str) -> None:
    shown = commands((repository / text).read_text(encoding="utf-8"))
    assert shown or text not in ("README.md", "docs/usage.md", "docs/clusters.md", "docs/plugins.md")
    for words in shown:
        assert parsed(words).get("dataset", "auto") in (*names(), "auto"), words


def test_the_glob_selects_what_is_said_of_it(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    (glob, said) = re.findall(r"\(`(\S+\*)` is (.+?), the small ones\)", text)[0]
    shown = [parsed(words).get("backbone") for words in commands(text)]
    (patterns,) = [given for given in shown if given and "*" in given[0]]
    assert glob in patterns[0].split(",")
    assert expand_backbones(patterns) == [*said.split(" and "), "mobilenetv3:mlp2"]
