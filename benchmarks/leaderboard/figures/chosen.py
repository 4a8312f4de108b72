"""The two entries that a figure of classes compares: plain training and the best strategy."""

from __future__ import annotations

from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES


def plain_and_best(section: Section) -> tuple[Entry | None, Entry | None]:
    """Return plain training and the best ranked other strategy that sees images alone; None where there is none."""
    plain = next((entry for entry in section.entries if BASELINE in entry.names), None)
    others = (entry for entry in section.entries if entry is not plain and kind(entry) == IMAGES)
    return plain, next(others, None)
