"""What another classifier changes: `resnet50:mlp2` against `resnet50`, paired row by row and seed by seed."""

from __future__ import annotations

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared.paired import BACKBONE, SEEDS, Pair, stage_columns
from benchmarks.leaderboard.markdown import escape
from benchmarks.leaderboard.sections import Section
from benchmarks.leaderboard.tables import family_sizes
from benchmarks.records.kinds import marked_name


def changed(section: Section) -> list[str]:
    """Return the table that compares other classifiers with the linear one; nothing if there is none."""
    linear = {entry.key: entry for entry in section.entries if ":" not in entry.backbone}
    asked = [(entry, linear.get((entry.backbone.partition(":")[0], entry.strategy))) for entry in section.entries]
    rows = [Pair(entry, plain) for entry, plain in asked if plain and plain is not entry]
    rows = sorted((pair for pair in rows if pair.common), key=lambda pair: pair.entry.backbone)  # else as ranked
    if not rows:
        return []
    strategy: Column[Pair] = Column("strategy", lambda pair: marked_name(pair.entry.strategy), escape, left=True)
    columns = [BACKBONE, strategy, SEEDS, *stage_columns(section, rows, "linear", "minus linear")]
    note = (
        "Top-1 class mean of the linear classifier on the same backbone, and that of the classifier minus it, paired "
        f"and marked as above: Holm-corrected for the {family_sizes([pair.entry.backbone for pair in rows])}."
    )
    return [render(columns, rows), note]
