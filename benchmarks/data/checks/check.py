"""Check a dataset once; the findings are stored with its decoded images and reused."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.files import write_bytes
from benchmarks.data.base import Source
from benchmarks.data.checks.alike import nearly_same, same
from benchmarks.data.checks.traits import Traits, traits
from benchmarks.data.decoded.cache import Decoded

VERSION = 1  # increase it when the same data would give different findings
FEWEST = 5  # images; smaller classes are reported
MOST_LISTED = 10_000


@dataclass(frozen=True)
class Finding:
    """A kind of problem, how often it occurs, and where (one line per place).

    `noted`: whether the loaders count it too, in `Source.notes` or as rows left out.
    """

    what: str
    count: int
    places: tuple[str, ...]
    noted: bool = False

    def line(self, most: int = 3) -> str:
        """Return one line with the problem, its count and its first places."""
        more = f" and {self.count - most:,} more" if self.count > most else ""
        return f"{self.title}: {self.count:,} ({', '.join(self.places[:most])}{more})"

    @property
    def title(self) -> str:
        """The problem, capitalised to start a line."""
        return self.what[0].upper() + self.what[1:]


@dataclass(frozen=True)
class Check:
    """The problems found, most serious first; `facts` are sentences about the images that are not problems."""

    problems: tuple[Finding, ...] = ()
    facts: tuple[str, ...] = ()

    def lines(self, most: int) -> list[str]:
        """Return facts and problems as lines, with at most `most` places per problem."""
        said = list(self.facts)
        for problem in self.problems:
            said += ["", f"{problem.title}: {problem.count:,}", *(f"  {place}" for place in problem.places[:most])]
            if problem.count > len(problem.places[:most]):
                said.append(f"  and {problem.count - len(problem.places[:most]):,} more")
        return said if self.problems else [*said, "", "No problem was found."]

    @property
    def notes(self) -> tuple[tuple[str, int], ...]:
        """The problems that the loaders do not count, in the format of `Loaded.notes`."""
        return tuple((problem.what, problem.count) for problem in self.problems if not problem.noted)


def stored(folder: Path) -> Check | None:
    """Return the stored check of the data decoded into `folder`; None if there is none yet."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / "check.json").read_text(encoding="utf-8"))
        if content["version"] == VERSION:
            return Check(tuple(map(_stored, content["problems"])), tuple(str(fact) for fact in content["facts"]))
    return None


def _stored(entry: dict[str, Any]) -> Finding:
    """Return a finding from JSON. Raises TypeError or KeyError if `entry` is not one."""
    what, count, places, noted = (entry[name] for name in ("what", "count", "places", "noted"))
    if not (what and isinstance(what, str) and isinstance(count, int) and isinstance(places, list)):
        raise TypeError("no finding")
    return Finding(what, count, tuple(map(str, places)), bool(noted))


def check(source: Source, decoded: Decoded, folder: Path, on_progress: Callable[[int, int], None]) -> Check:
    """Check the data and store the result in `folder`, next to its decoded images; `on_progress` counts rows."""
    found = _check(source, decoded, traits(source, decoded, on_progress))
    with contextlib.suppress(OSError):  # the next run then checks again
        write_bytes(folder / "check.json", json.dumps({"version": VERSION, **asdict(found)}).encode())
    return found


def _check(source: Source, decoded: Decoded, of: Traits) -> Check:
    """Return the problems and facts found in the source's rows."""
    kept = decoded.kept_N.tolist()
    labels = [source.labels[row] for row in kept]
    index = {name: number for number, name in enumerate(sorted(set(labels)))}
    labels_N, train_N = np.array([index[label] for label in labels]), source.train[decoded.kept_N]

    def named(position: int) -> str:
        return f"{source.ids[kept[position]]} ({labels[position]})"

    def both(rows: np.ndarray) -> str:
        return " = ".join(map(named, rows.tolist()))

    def across(rows: np.ndarray) -> str:
        return f"{named(int(rows[~train_N[rows]][0]))} = {named(int(rows[train_N[rows]][0]))}"

    pairs_P2 = nearly_same(of.tiny_NTT3, of.content_N, 2 * labels_N + train_N)
    facts = _facts(of, decoded)
    if pairs_P2 is None:
        pairs_P2 = np.zeros((0, 2), dtype=np.int64)
        facts.append("Too many images are alike (nearly empty?) to look for pairs that are nearly the same.")
    left_P, right_P = pairs_P2.T
    of_two_classes, of_two_parts = labels_N[left_P] != labels_N[right_P], train_N[left_P] != train_N[right_P]
    found = [
        *_left_out(source, decoded),
        *(_finding(what, places, noted=True) for what, places in source.named.items()),
        _finding("images in two classes, the same file", same(of.content_N, labels_N), both),
        _finding("test images that are training images too, the same file", same(of.content_N, train_N), across),
        _finding("pairs of nearly the same image in two classes", pairs_P2[of_two_classes], both),
        _finding("pairs of a test image and nearly the same training image", pairs_P2[of_two_parts], across),
        _finding("groups of classes whose names differ in case, spaces or Unicode form alone", _twins(source.labels)),
        _finding(f"classes with fewer than {FEWEST} images", _small(labels)),
    ]
    return Check(tuple(problem for problem in found if problem.count), tuple(facts))


def _finding(what: str, found: Sequence[Any], describe: Callable[[Any], str] = str, noted: bool = False) -> Finding:
    return Finding(what, len(found), tuple(map(describe, found[:MOST_LISTED])), noted)


def _left_out(source: Source, decoded: Decoded) -> list[Finding]:
    """Name the rows that could not be decoded."""
    meta = decoded.meta
    rows = meta.dropped[:MOST_LISTED]
    absent = {row for row in rows if meta.missing and (not meta.unreadable or _absent(source, row))}
    unreadable = [f"{source.ids[row]} ({source.labels[row]})" for row in rows if row not in absent]
    missing = [f"{source.ids[row]} ({source.labels[row]})" for row in rows if row in absent]
    return [
        Finding("unreadable images, left out", meta.unreadable, tuple(unreadable), noted=True),
        Finding("rows without an image, left out", meta.missing, tuple(missing), noted=True),
    ]


def _absent(source: Source, row: int) -> bool:
    try:
        return source.read(row) is None
    except (OSError, ValueError):
        return False


def _twins(labels: Sequence[str]) -> list[str]:
    """Return a line for each group of classes whose names are the same apart from case, spaces and Unicode form."""
    groups: dict[str, list[str]] = {}
    counts = Counter(labels)
    for name in sorted(counts):
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(unicodedata.normalize("NFKC", plain), []).append(f"{name!r} ({counts[name]:,} images)")
    return [", ".join(names) for names in groups.values() if len(names) > 1]


def _small(labels: Sequence[str]) -> list[str]:
    """Return a line for each class with few images, fewest first."""
    counts = sorted((count, name) for name, count in Counter(labels).items())
    return [f"{name} ({count})" for count, name in counts if count < FEWEST]


def _facts(of: Traits, decoded: Decoded) -> list[str]:
    """Return sentences on sizes and colours."""
    sizes, counts = np.unique(of.sizes_N2[of.sizes_N2.all(axis=1)], axis=0, return_counts=True)
    total, size = len(of.sizes_N2), decoded.meta.shape[1]
    if not len(sizes):
        return []
    areas = sizes.prod(axis=1)
    shown = [f"{w:,} x {h:,}" for w, h in (sizes[counts.argmax()], sizes[areas.argmin()], sizes[areas.argmax()])]
    said = [
        f"All images are {shown[0]} pixels."
        if len(sizes) == 1
        else f"Most frequent size {shown[0]} pixels ({counts.max():,} images), smallest {shown[1]}, largest {shown[2]}."
    ]
    smaller = int(counts[sizes.min(axis=1) < size].sum())
    if smaller:
        said.append(f"{_of(smaller, total)} are smaller than {size} px on a side, and enlarged.")
    long = int(counts[sizes.max(axis=1) > 3 * sizes.min(axis=1)].sum())
    if long:
        said.append(f"{_of(long, total)} are over three times as long as they are wide, and pressed into a square.")
    if grey := decoded.meta.greyscale:
        said.append(f"{_of(grey, total)} are greyscale.")
    return said


def _of(count: int, total: int) -> str:
    return "All" if count == total else f"{count:,} of {total:,}"
