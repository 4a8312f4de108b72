"""The files that GitHub reads agree with tox: each is checked in lint, and CI runs what the matrix has."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest


@pytest.fixture
def tox(repository: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(repository / "tox.ini")
    return parser


def test_lint_validates_every_form_and_workflow(repository: Path, tox: configparser.ConfigParser) -> None:
    files = {path.relative_to(repository).as_posix() for path in (repository / ".github").rglob("*.yml")}
    assert files
    assert [file for file in files if file not in tox["testenv:lint"]["commands"].split()] == []


def test_ci_runs_the_environments_of_tox(repository: Path, tox: configparser.ConfigParser) -> None:
    workflow = (repository / ".github" / "workflows" / "tests.yml").read_text()
    run = set(re.findall(r"\benv: (\w+)", workflow))
    named = {name.strip() for name in tox["tox"]["env_list"].split(",")}
    assert run == named - {"bench"}  # speeds are measured on a machine that does nothing else
    pairs = re.findall(r'python: "(\d)\.(\d+)", env: (py\d+|tests)', workflow)
    assert [(major + minor, env) for major, minor, env in pairs] == [
        ("311", "py311"),
        ("312", "tests"),
        ("313", "py313"),
    ]


def test_citation_names_the_required_fields(repository: Path) -> None:
    text = (repository / "CITATION.cff").read_text()
    fields = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= fields
    assert "version" not in fields  # its one place is the package
