"""The leaderboards below an output folder: make their texts, write them, check that they match the records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.files import write_bytes
from benchmarks.leaderboard.compared import across, agreement, protocols
from benchmarks.leaderboard.figures import registry as figures
from benchmarks.leaderboard.index import INDEX, OVER_SUITES, index_page
from benchmarks.leaderboard.markdown import MARKER
from benchmarks.leaderboard.per_class.class_page import class_page
from benchmarks.leaderboard.sections import sections
from benchmarks.leaderboard.suite_page import suite_page
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError


def generate(out: Path, suite: str | None = None, columns: Sequence[str] = ()) -> dict[Path, str]:
    """Return the text of every leaderboard file (path relative to `out` -> Markdown or SVG) from its records.

    `suite` limits the work to one suite; the index, which lists them all, is then left out. The texts hold no time and
    no path of this machine, so the same records give the same bytes everywhere. Unreadable records are left out;
    `check` and `write` name them.
    """
    return _generate(storage.read_suites(out, suite)[0], suite is None, columns)


def write(out: Path, suite: str | None = None, columns: Sequence[str] = ()) -> list[str]:
    """Write the leaderboards, remove those whose records are gone; return a sentence per unreadable record.

    `columns`: further ones on request, names that `requested.requested` returned.

    Raises `UserError` if a file that this module did not make has the name of a page, or if none can be written.
    """
    loaded, problems = storage.read_suites(out, suite)
    texts = _generate(loaded, suite is None, columns)
    for relative in texts:
        if (out / relative).exists() and not _ours(out / relative):
            raise UserError(f"{out / relative} was not made by this command; move it away or choose another --out.")
    try:
        for relative, text in texts.items():
            write_bytes(out / relative, text.encode())
        for relative in _stale(out, suite, texts):
            (out / relative).unlink()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"the leaderboards in {out} cannot be written ({reason}); fix this and run the command again."
        ) from error
    return problems


def check(out: Path, suite: str | None = None, columns: Sequence[str] = ()) -> list[str]:
    """Return a sentence per file that does not match the records and per unreadable record; none if all match."""
    loaded, differences = storage.read_suites(out, suite)
    texts = _generate(loaded, suite is None, columns)
    for relative, text in sorted(texts.items()):
        try:
            found = (out / relative).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            differences.append(f"{relative.as_posix()} is missing")
            continue
        except OSError as error:
            differences.append(f"{relative.as_posix()} cannot be read ({error.strerror})")
            continue
        if found != text:
            differences.append(f"{relative.as_posix()} differs from its records, first in line {_line(found, text)}")
    stale = _stale(out, suite, texts)
    return differences + [f"{path.as_posix()} has no records any more" for path in stale]


def _generate(loaded: dict[str, list[Record]], index: bool, columns: Sequence[str] = ()) -> dict[Path, str]:
    """Return relative path -> text of all pages and figures."""
    texts: dict[Path, str] = {}
    every = {suite: sections(found) for suite, found in loaded.items()}
    for suite, found in loaded.items():
        made = every[suite]
        failed = [record for record in found if record.status == "failed"]
        drawn = figures.of_suite(made)
        texts |= {Path(suite) / one.file: one.svg for one in drawn}
        texts[Path(suite) / "leaderboard.md"] = suite_page(suite, made, failed, drawn, columns)
        for backbone in sorted({entry.backbone for section in made for entry in section.entries}):
            own = [part for section in made if (part := section.only(backbone)).entries]
            texts[Path(suite) / "per-class" / f"{storage.safe_name(backbone)}.md"] = class_page(
                suite, backbone, own, drawn
            )
    if index:
        over_suites = {
            across.PAGE: across.across(every),
            agreement.PAGE: agreement.agreement(every),
            protocols.PAGE: protocols.protocols(every),
        }
        further = {path: text for path, text in over_suites.items() if text}
        texts |= {**further, INDEX: index_page(loaded, every, list(further))}
    return texts


def _stale(out: Path, suite: str | None, texts: dict[Path, str]) -> list[Path]:
    """Return the pages made earlier, relative to `out`, that no record needs any more."""
    name = "*" if suite is None else suite
    patterns = ("leaderboard.md", "per-class/*.md", "figures/*.svg")
    found = [path for pattern in patterns for path in out.glob(f"{name}/{pattern}")]
    found += [out / name for name in OVER_SUITES] if suite is None else []
    return sorted(p.relative_to(out) for p in found if p.relative_to(out) not in texts and _ours(p))


def _ours(path: Path) -> bool:
    """Whether the file was made by this module."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == MARKER


def _line(found: str, expected: str) -> int:
    """Return the number of the first line that differs, counted from 1."""
    pairs = zip(found.splitlines(), expected.splitlines(), strict=False)
    shorter = min(len(found.splitlines()), len(expected.splitlines()))
    return next((k for k, (a, b) in enumerate(pairs, start=1) if a != b), shorter + 1)
