"""`explain`: why a strategy gained or lost on a class."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.options import OWN, PUBLISHED, with_records
from benchmarks.support.errors import one_line
from benchmarks.support.words import counted

if TYPE_CHECKING:
    from benchmarks.tools.explain import Explanation, Moved

MOST = 8  # classes named in each direction


def explain(
    label: Annotated[str, typer.Argument(metavar="CLASS", help="The class, as the tables name it.")],
    strategy: Annotated[
        str | None, typer.Option(metavar="S", help="One strategy in detail; default: all, in brief.")
    ] = None,
    against: Annotated[str, typer.Option(metavar="S", help="Strategy to compare with.")] = "none",
    backbone: Annotated[str | None, typer.Option(metavar="B", help="Only this backbone.")] = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with records; default: runs, or results.")
    ] = None,
) -> int:
    """Show why a strategy gained or lost on a class: rows won and lost, and confusions."""
    from benchmarks.records.kinds import NOTE, transductive
    from benchmarks.tools.explain import explain as explained

    found = explained(out or with_records(OWN, PUBLISHED), label, strategy, against, backbone, suite)
    for _, group in itertools.groupby(found, key=lambda one: (one.record.suite, one.record.backbone)):
        told = list(group)
        print(f"{_title(told)}\n")
        if strategy is None:
            print(_overview(told))
        for one in told if strategy is not None else ():
            print(_detail(one))
        if any(transductive(name) for one in told for name in (one.record.strategy, one.against)):
            print(f"\n{NOTE}")
        print()
    return 0


def _title(told: Sequence[Explanation]) -> str:
    one, least, most = told[0], min(one.seeds for one in told), max(one.seeds for one in told)
    result = one.record.stages[one.stage]
    name, train, test = (values[one.position] for values in (result.classes, result.train_n, result.test_n))
    seeds = counted(most, "seed") if least == most else f"{least} to {most} seeds"
    splits = f", {one.splits} splits" if one.splits > 1 else ""
    return one_line(
        f"{name}: {'' if result.name == 'all' else f'{result.name} '}class of {one.record.suite}, {train:,} training "
        f"and {test:,} test rows; {one.record.backbone}, {seeds}{splits}."
    )


def _overview(told: Sequence[Explanation]) -> str:
    """Return one line per strategy, best first."""
    from tabulate import tabulate

    from benchmarks.records.kinds import marked_name

    against = marked_name(told[0].against)
    rows = [
        [marked_name(one.record.strategy), f"{one.top1[1]:.3f}", _change(one), one.won, one.lost, _most(one)]
        for one in told
    ]
    headers = ["strategy", "top-1", "change [95 %]", "rows won", "lost", "taken for, most changed"]
    if len({one.trained for one in told}) == 1:
        rows = [[against, f"{told[0].top1[0]:.3f}", "", "", "", ""], *rows]
    else:  # each strategy is compared over the seeds that both have
        headers[1:1] = ["seeds", against]
        rows = [[name, one.seeds, f"{one.top1[0]:.3f}", *row] for one, (name, *row) in zip(told, rows, strict=True)]
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)


def _detail(one: Explanation) -> str:
    """Return the accuracies of one strategy, and its confusions of this class with others in both directions."""
    from tabulate import tabulate

    from benchmarks.leaderboard.tables import FEW_CLASSES
    from benchmarks.records.kinds import marked_name

    name = one_line(one.record.stages[one.stage].classes[one.position])
    columns = ["", marked_name(one.against), marked_name(one.record.strategy), "change"]
    figures = [("top-1", f"{one.top1[0]:.3f}", f"{one.top1[1]:.3f}", _change(one))]
    if len(one.record.stages[one.stage].classes) > FEW_CLASSES:
        change = one.top5[1] - one.top5[0]
        figures.append(("top-5", f"{one.top5[0]:.3f}", f"{one.top5[1]:.3f}", f"{change:+.3f}"))
    blocks = [
        tabulate(figures, columns, tablefmt="simple", disable_numparse=True),
        f"Test rows that only {one.record.strategy} has right: {one.won}; only {one.against}: {one.lost}{_seeds(one)}.",
    ]
    if one.taken_for is None or one.taken_in is None:
        blocks.append("Their records hold no confusions; run these cells again to get them.")
        return "\n\n".join(blocks)
    for title, moved in ((f"{name} taken for", one.taken_for), (f"taken for {name}", one.taken_in)):
        rows = [(one_line(m.other), *_moved(one, m.before, m.after)) for m in moved[:MOST]]
        if len(moved) > MOST:
            before, after = (sum(getattr(m, side) for m in moved[MOST:]) for side in ("before", "after"))
            rows.append((f"and {len(moved) - MOST} more", *_moved(one, before, after)))
        if rows:
            blocks.append(tabulate(rows, [title, *columns[1:]], tablefmt="simple", disable_numparse=True))
    return "\n\n".join(blocks)


def _seeds(one: Explanation) -> str:
    """Return how rows are counted over several seeds."""
    over = "seeds and splits" if one.splits > 1 else "seeds"
    return f" (sums over {one.trained} {over}; the tables below show means)" if one.trained > 1 else ""


def _moved(one: Explanation, before: float, after: float) -> tuple[str, str, str]:
    """Format two row counts and their difference, with one decimal if they are means over several seeds."""
    digits = 1 if one.trained > 1 else 0
    change = round(after - before, digits) + 0.0  # no -0.0
    return f"{before:.{digits}f}", f"{after:.{digits}f}", f"{change:+.{digits}f}"


def _change(one: Explanation) -> str:
    low, high = one.difference.low, one.difference.high
    bounds = "" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
    return f"{one.difference.value:+.3f}{bounds}"


def _most(one: Explanation) -> str:
    """Return the confusion that changed most, e.g. "Tunics 12 to 31"."""
    moved: Sequence[Moved] = [m for m in one.taken_for or () if m.before != m.after]
    if not moved:
        return ""
    before, after, _ = _moved(one, moved[0].before, moved[0].after)
    return f"{one_line(moved[0].other)} {before} to {after}"
