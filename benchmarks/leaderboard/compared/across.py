"""`across.md`: strategies over several data sets, each counted once; made only if enough data sets share strategies.

Data sets are the units: win rates, and Wilcoxon's signed-rank test against plain training with Holm's correction. Mean
ranks over classes or seeds would count one data set many times. J. Demšar, Statistical comparisons of classifiers over
multiple data sets, JMLR 7 (2006).
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number, page
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES, NOTE, marked_name, transductive
from benchmarks.records.multiple import LEVEL, holm
from benchmarks.support.words import counted

PAGE = Path("across.md")
LEAST_SETS = 3  # with fewer, their own pages say more
_EXACT = 12  # data sets up to which all 2^n signs are counted
_ALIKE = 1e-9  # class means this close are equal


@dataclasses.dataclass(frozen=True)
class Group:
    """Data sets D on which the same strategies were measured with the same backbone, protocol and trained layers.

    `suites`: the suite shown for each data set. `entries`: each strategy's entries, one per data set, in order.
    """

    title: str
    suites: tuple[str, ...]
    entries: Mapping[str, tuple[Entry, ...]]

    def scores_D(self, strategy: str) -> np.ndarray:
        """Return the last stage's class mean on each data set, rounded so that equal ones are equal."""
        means = [entry.scores[-1].mean("class-mean") for entry in self.entries[strategy]]
        return np.round(np.array(means), 9)


@dataclasses.dataclass(frozen=True)
class Standing:
    """A strategy over data sets: share of comparisons with the others that it wins, and it against plain training.

    `counts`: data sets where it is above, equal to and below plain training. `p`: corrected, NaN without a test.
    """

    title: str
    win_rate: float
    counts: tuple[int, int, int]
    median: float
    p: float

    @property
    def mark(self) -> str:
        """An arrow where the difference is significant."""
        return "" if not self.p <= LEVEL else " ▲" if self.median > 0 else " ▼"


COLUMNS: tuple[Column[Standing], ...] = (
    Column("strategy", lambda row: row.title, escape, left=True),
    Column("win rate", lambda row: row.win_rate, number, best="highest"),
    Column(f"above / equal / below `{BASELINE}`", lambda row: " / ".join(map(str, row.counts))),
    Column(f"median minus `{BASELINE}`", lambda row: row.median, lambda value: number(value, signed=True)),
    Column("p (Holm)", lambda row: row.p, number, after=lambda row: row.mark),
)


def across(made: Mapping[str, Sequence[Section]]) -> str | None:
    """Return the page from the sections of each suite; None where too few data sets have strategies in common."""
    groups = list(_groups(made))
    if not groups:
        return None
    blocks = [
        "# Across data sets",
        "Every data set counts once. *Win rate*: over data sets and the other rows of the table, how often the "
        "strategy has the higher class mean of the last stage (equal ones count half). *p*: Wilcoxon's signed-rank "
        f"test of the differences from `{BASELINE}` over data sets, Holm-corrected for all rows of the table; ▲ and ▼ "
        "where it is at most 0.05. Strategies that were not run on all data sets of a table are left out.",
    ]
    for group in groups:
        shown = ", ".join(f"[{escape(suite)}]({quote(suite)}/leaderboard.md)" for suite in group.suites)
        blocks += [f"## {group.title}", f"{len(group.suites)} data sets, by suite: {shown}.", *_tables(group)]
    return page([*blocks, *([NOTE] if any(transductive(name) for group in groups for name in group.entries) else [])])


def _groups(made: Mapping[str, Sequence[Section]]) -> Iterator[Group]:
    """Yield the groups of at least `LEAST_SETS` data sets with plain training and another strategy in common."""
    found: dict[tuple[str, str], dict[str, list[tuple[str, dict[str, Entry]]]]] = {}
    for suite, sections in sorted(made.items()):
        for section in (one for one in sections if one.first.tuned is None):
            for backbone in sorted({entry.backbone for entry in section.entries}):
                entries = {entry.strategy: entry for entry in section.only(backbone).entries}
                if BASELINE in entries and section.first.stages[-1].rows:
                    sets = found.setdefault((backbone, _way(section)), {})
                    sets.setdefault(_data_set(suite, section), []).append((suite, entries))
    for (backbone, way), sets in sorted(found.items()):
        # per data set, the suite with the most strategies; the first one if several have as many
        shown = [max(several, key=lambda one: len(one[1])) for _, several in sorted(sets.items())]
        common = [name for name in shown[0][1] if all(name in entries for _, entries in shown)]
        if len(shown) >= LEAST_SETS and len(common) > 1:
            title = f"{escape(backbone)}, {way}"
            yield Group(
                title,
                tuple(suite for suite, _ in shown),
                {name: tuple(entries[name] for _, entries in shown) for name in common},
            )


def _way(section: Section) -> str:
    """Return protocol and trained layers: strategies act differently on a frozen backbone."""
    setup = section.first.setup
    return f"{setup.protocol} protocol{', classifier alone' if setup.recipe.get('trains') == 'classifier' else ''}"


def _data_set(suite: str, section: Section) -> str:
    """Return the data set's identity: every folder of images is its own, suites of a named data set share it."""
    dataset = section.first.setup.dataset
    return f"{dataset} {suite}" if dataset == "folder" else dataset


def _tables(group: Group) -> Iterator[str]:
    """Yield a table for each kind of strategy, and what its test can say."""
    kinds = {name: kind(entries[0]) for name, entries in group.entries.items()}
    plain_D = group.scores_D(BASELINE)
    for what in sorted(set(kinds.values()), key=lambda name: (name != IMAGES, name)):
        alike: dict[tuple[float, ...], list[str]] = {}
        for name in sorted(group.entries, key=lambda name: (name != BASELINE, len(name), name)):
            if kinds[name] == what or name == BASELINE:
                alike.setdefault(tuple(group.scores_D(name).tolist()), []).append(name)
        rows = _standings(
            {" = ".join(map(marked_name, names)): np.array(scores) for scores, names in alike.items()}, plain_D
        )
        if len(rows) > 1:
            yield from [*([f"### {what.capitalize()}"] if what != IMAGES else []), render(COLUMNS, rows)]
            yield _power(len(group.suites), len(rows) - 1)


def _standings(scores: Mapping[str, np.ndarray], plain_D: np.ndarray) -> list[Standing]:
    """Return a row per strategy, highest win rate first; plain training has no test."""
    differences = {name: scores_D - plain_D for name, scores_D in scores.items()}
    tested = [name for name, scores_D in scores.items() if not (scores_D == plain_D).all()]
    p_values = dict(zip(tested, holm([wilcoxon(differences[name]) for name in tested]), strict=True))
    rows = []
    for name, scores_D in scores.items():
        others = [np.sign(scores_D - other_D) for other, other_D in scores.items() if other != name]
        wins = float((np.array(others) / 2 + 0.5).mean()) if others else math.nan
        d = differences[name]
        counts = (int((d > _ALIKE).sum()), int((abs(d) <= _ALIKE).sum()), int((d < -_ALIKE).sum()))
        p = float(p_values.get(name, math.nan)) if possible(len(d)) else math.nan
        rows.append(Standing(name, wins, counts, statistics.median(d.tolist()), p))
    return sorted(rows, key=lambda row: (-round(row.win_rate, 9), row.title))


def wilcoxon(d_D: np.ndarray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, exact for few data sets; 1 where all are zero."""
    from scipy.stats import rankdata
    from scipy.stats import wilcoxon as test

    d_D = np.round(d_D, 9)  # equal differences tie, whatever their last bits
    unequal = d_D[d_D != 0]
    if not unequal.size:
        return 1.0
    if unequal.size > _EXACT:
        return float(test(unequal, method="approx").pvalue)
    doubled = np.rint(2 * rankdata(np.abs(unequal))).astype(int)  # ranks of ties are halves
    sums_2n = np.zeros(1, dtype=int)
    for rank in doubled:
        sums_2n = np.concatenate([sums_2n, sums_2n + rank])
    found = doubled[unequal > 0].sum()
    return float(min(1.0, 2 * min((sums_2n <= found).mean(), (sums_2n >= found).mean())))


def possible(sets: int) -> bool:
    """Whether a single test over so many data sets can reach 5 %: its lowest p-value is 2^(1 - n)."""
    return 2.0 ** (1 - sets) <= LEVEL


def _power(sets: int, comparisons: int) -> str:
    """Return what the tests of a table can say."""
    if not possible(sets):
        return (
            f"{sets} data sets are too few for a test: with fewer than 6 Wilcoxon's cannot reach 0.05, whatever the "
            "differences."
        )
    family = counted(comparisons, "comparison")
    if comparisons * 2.0 ** (1 - sets) > LEVEL:
        return f"After Holm's correction for {family}, {sets} data sets are too few for any mark."
    return f"Holm-corrected for {family}."
