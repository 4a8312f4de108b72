"""The page's file: template, style, script and content in one, without a request to anywhere.

Names of classes and strategies come from data and plugins, so they are not trusted: they are in a JSON script tag with
every `<` escaped, the page shows them as text only, and its content security policy runs only the script with its hash.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from backbones.files import write_bytes
from benchmarks.leaderboard.report import recommendation
from benchmarks.leaderboard.report.content import Pictures, content
from benchmarks.leaderboard.sections import Section, sections
from benchmarks.records import storage
from benchmarks.records.kinds import NOTE
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError, one_line

NAME = "report.html"
MARKER = "<!-- Made by `python -m benchmarks report`; edits are overwritten. -->"
SCRIPTS = ("elements", "statistics", "ranking", "scatter", "compare", "curves", "confusions", "thumbnails", "main")


def report(
    suite: str,
    records: list[Record],
    recommended: str = "",
    pictures: Callable[[Section], Pictures] | None = None,
) -> str:
    """Return the HTML of a suite's report, with the HTML of its recommendation, `recommended`, if there is one.

    `pictures`: as in `content`.
    """
    found = sections(records)
    failed = [record for record in records if record.status == "failed"]
    script = "\n".join(_file(f"{name}.js") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}\n}})();\n'
    style = _file("page.css")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'"
    policy += "; img-src data:" if pictures else ""
    values = {
        "MARKER": MARKER,
        "POLICY": policy,
        "TITLE": html.escape(one_line(suite)),
        "STYLE": style,
        "RECOMMENDATION": recommended,
        "CONTENT": _inert(json.dumps(content(suite, found, failed, pictures), separators=(",", ":"), allow_nan=False)),
        "SCRIPT": script,
        "NOTE": f" {html.escape(NOTE)}" if any(section.transductive for section in found) else "",
    }
    first, *parts = _file("page.html").split("{{")
    return first + "".join(values[name] + rest for name, rest in (part.split("}}", 1) for part in parts))


def write(
    out: Path, suite: str | None = None, pictures: Callable[[Section], Pictures] | None = None
) -> tuple[list[Path], list[str]]:
    """Write `<suite>/report.html` for one suite or all below `out`; return the paths, a sentence per unreadable record.

    `pictures`: as in `content`. Raises `UserError` where there are no records, or where a report of another origin is
    in the way.
    """
    found, problems = storage.read_suites(out, suite)
    if not found:
        raise UserError(f"none of the records below {out} can be read: {'; '.join(problems[:3]) or 'there are none'}.")
    paths = []
    for name, records in found.items():
        path = Path(out) / name / NAME
        if path.exists() and MARKER not in path.read_text(encoding="utf-8", errors="replace")[:500]:
            raise UserError(f"{path} was not made by this command; move it away or choose another --out.")
        write_bytes(path, report(name, records, recommendation.section(path.parent), pictures).encode())
        paths.append(path)
    return paths, problems


def _file(name: str) -> str:
    """Return the text of a file of this folder."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the CSP source expression that allows an inline script or style with exactly this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _inert(text: str) -> str:
    """Escape markup characters in JSON: HTML parsers find no tags in it, JSON parsers read the same value."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
