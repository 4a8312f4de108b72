"""What would change a recommendation: more rows, more rows of some classes, a larger budget."""

from __future__ import annotations

import math

from benchmarks.support.words import counted, some
from benchmarks.tools.recommend.choice import Choice
from benchmarks.tools.recommend.findings import Findings

MOST_FACTOR = 100  # of more rows; beyond it the difference is too small to matter
FEW_VALIDATION_ROWS = 10
MOST_NAMES = 3


def lines(choice: Choice, findings: Findings, untried: tuple[str, ...]) -> list[str]:
    """Return sentences, those that would change most first."""
    if findings.balanced:
        return ["Classes with many fewer images than the others."]
    if findings.too_few:
        return ["More images."]
    found = [_rows(choice, findings)]
    least = [
        name
        for n, name in sorted(zip(findings.validation_C, findings.names, strict=True), key=lambda pair: pair[0])
        if n < FEW_VALIDATION_ROWS
    ]
    if least:
        found.append(
            f"More images of {some(least, MOST_NAMES)}: fewer than {FEW_VALIDATION_ROWS} rows of each could choose."
        )
    if untried:
        found.append(
            f"A larger --budget: {len(untried)} strategies were not reached ({', '.join(untried[:MOST_NAMES])} ...)."
        )
    return [line for line in found if line] or ["Nothing at hand: the pick is ahead of all others beyond chance."]


def _rows(choice: Choice, findings: Findings) -> str:
    """Return how many validation rows would separate the pick from plain training; if done, how many ties remain."""
    gain, rows = choice.pick.gain, sum(findings.validation_C)
    if choice.pick is choice.plain or choice.beats_plain:
        rivals = len(choice.top) - 1
        return f"More seeds and rows: {counted(rivals, 'other')} cannot be told from the best." if rivals > 0 else ""
    half = (gain.high - gain.low) / 2
    if math.isnan(half) or not gain.value:
        return "More images: so few tell nothing."
    factor = (half / abs(gain.value)) ** 2
    if factor > MOST_FACTOR:
        return "No realistic number of images: the pick and plain training are the same for all that can be seen."
    return f"About {factor * rows:,.0f} validation rows ({rows:,} now) would tell the pick from plain training."
