"""An answer in words: ten lines for the terminal, and the blocks of its page."""

from __future__ import annotations

import dataclasses

from benchmarks.leaderboard.markdown import NOTHING, number
from benchmarks.support.words import counted, duration, some
from benchmarks.tools.recommend import goals
from benchmarks.tools.recommend.candidates import PLAIN
from benchmarks.tools.recommend.choice import GENTLE, Choice, Standing, highest
from benchmarks.tools.recommend.evidence import Evidence, OfClass
from benchmarks.tools.recommend.findings import Findings
from benchmarks.tools.recommend.finetune import FineTuned
from benchmarks.tools.recommend.words import fine_tuned, would_change
from benchmarks.tools.recommend.words.blocks import Block, heading, interval, listed, text

MOST_SHOWN = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """All that an answer is made of.

    `said`: sentences on how the suite was chosen. `spent_s`, `budget_s`: seconds. `untried`, `failed`: strategies.
    `tuned`: what came of fine-tuning, a sentence where nothing did. `commands`: those that train and export the model.
    `keep`: see `choice.choose`.
    """

    goal: str
    keep: float
    findings: Findings
    choice: Choice
    evidence: Evidence | None
    head: int
    said: tuple[str, ...]
    untried: tuple[str, ...]
    failed: tuple[str, ...]
    spent_s: float
    budget_s: float
    tuned: FineTuned | str
    commands: tuple[str, ...]

    @property
    def pick(self) -> Standing:
        """The recommended strategy, among the fine-tuned ones where one of them wins."""
        return self.tuned.choice.pick if isinstance(self.tuned, FineTuned) and self.tuned.wins else self.choice.pick


def lines(facts: Facts) -> list[str]:
    """Return at most ten lines for the terminal."""
    return [
        _headline(facts),
        f"Why: {_why(facts)}",
        f"Top group: {_top(facts.choice)}",
        *_on_test(facts),
        f"Data: {' '.join(facts.findings.lines()[:2])}",
        f"Fine-tuning: {fine_tuned.sentence(facts.tuned, facts.goal)}",
        f"What would change it: {' '.join(would_change.lines(facts.choice, facts.findings, facts.untried)[:2])}",
        f"The model: {facts.commands[-1]}",
    ]


def blocks(facts: Facts) -> list[Block]:
    """Return the page."""
    found = [
        text(_headline(facts)),
        heading("Why"),
        listed([_why(facts), f"Top group: {_top(facts.choice)}", *_rules(facts)]),
        heading("What was tried"),
        text(
            "Test rows chose nothing: each seed holds out another fold of the training rows for validation, "
            f"{sum(facts.findings.validation_C):,} rows in all. Differences are paired with plain training, row by "
            "row, with 95 % intervals that take the folds for independent; group 1 cannot be told from the best "
            "(Holm-corrected). Graded accuracy is 1 - Brier score / 2 of calibrated probabilities, averaged as the "
            "goal is: the accuracy itself where predictions are certain, and it varies less than counts of hits. The "
            "expected score is the mean of both, drawn toward what the strategy gained on other images "
            "(results/fashion-frozen-joint), the more the fewer rows there are here. It decides in a group and who "
            "goes on: strategies with fewer seeds were left behind, the better half going on each time."
        ),
        _ranking(facts),
        *fine_tuned.section(facts.tuned, facts.goal),
        heading("What it gains and what it costs"),
        *_gains(facts),
        heading("What would change the answer"),
        listed(would_change.lines(facts.choice, facts.findings, facts.untried)),
        heading("The data"),
        listed(facts.findings.lines()),
        heading("How it was made"),
        listed([*facts.said, f"Fine-tuning: {fine_tuned.sentence(facts.tuned, facts.goal)}", *_spent(facts)]),
        heading("The model"),
        Block("code", facts.commands),
    ]
    return found


def _headline(facts: Facts) -> str:
    pick, what = facts.pick, goals.NAMES[facts.goal]
    if facts.findings.too_few:
        return "No recommendation: too few images. The model below is plain training."
    if pick is not facts.choice.pick:
        assert isinstance(facts.tuned, FineTuned)
        return f"Recommended: {fine_tuned.headline(facts.tuned, what)}"
    if pick.strategy == PLAIN:
        return f"Recommended: plain training (none); validation {what} {number(pick.goal)}."
    return (
        f"Recommended: {pick.strategy}; validation {what} {number(pick.goal)}, "
        f"{interval(pick.gain)} against plain training."
    )


def _why(facts: Facts) -> str:
    choice, pick = facts.choice, facts.choice.pick  # on frozen features
    if facts.findings.too_few:
        return facts.findings.too_few
    if facts.findings.balanced:
        return (
            f"nothing is needed: the largest class has {facts.findings.ratio:.1f} times the rows of the smallest, and "
            "there is no imbalance to counter."
        )
    best, what = choice.ranked[0], goals.NAMES[facts.goal]
    if pick.strategy == best.strategy:
        reasons = [f"it has the best {what} on validation rows of {len(choice.ranked)} strategies"]
    elif choice.too_costly:
        reasons = [f"it is among the best in {what} of those that keep the head"]
    else:
        reasons = [f"its {what} cannot be told from the best ({best.strategy}, {number(best.goal)})"]
    if pick.strategy != best.strategy:
        reasons.append(_among_rivals(choice))
    if pick.strategy != PLAIN and not choice.beats_plain:
        reasons.append("but so few rows cannot tell it from plain training")
    return f"{'; '.join(reasons)}."


def _among_rivals(choice: Choice) -> str:
    """Return why it is picked among the strategies that tie on the goal."""
    first = highest(choice.rivals)
    if first.strategy == choice.pick.strategy:
        of = f"of these {len(choice.rivals)}"
        return f"its expected score, {number(first.expected)}, is the highest {of}"
    return (
        f"it is the simplest and cheapest of those within a quarter of a point of the highest expected score "
        f"({first.strategy}, {number(first.expected)})"
    )


def _rules(facts: Facts) -> list[str]:
    """Return sentences on the rules that left strategies out."""
    found = []
    if facts.choice.too_costly:
        found.append(
            f"Not picked, because they cost the head more than {facts.keep:g} of class mean on validation rows: "
            f"{', '.join(facts.choice.too_costly)}."
        )
    if facts.failed:
        found.append(f"Failed: {', '.join(facts.failed)}; `status` names the reasons.")
    return found


def _top(choice: Choice) -> str:
    if len(choice.ranked) == 1:
        return "nothing else was tried."
    others = [one.strategy for one in choice.top if one.strategy != choice.pick.strategy]
    tried = f"of {len(choice.ranked)} tried" if not choice.too_costly else "that keep the head"
    if not others:
        return f"{choice.pick.strategy} alone, {tried}."
    names = some([choice.pick.strategy, *others], MOST_SHOWN + 1)
    return f"{len(others) + 1} {tried} cannot be told apart: {names}."


def _on_test(facts: Facts) -> list[str]:
    """Return the lines on test rows."""
    found = facts.evidence
    if found is None:
        return ["On test rows: there are none, or nothing to compare with."]
    if facts.pick.strategy == PLAIN:
        part = found.parts[0]
        return [
            f"On test rows: class mean {number(part.pick)}, top-1 {number(found.parts[1].pick)} ({part.rows:,} rows)."
        ]
    mean, head = found.parts[0], found.head
    gains = [c for c in found.gains() if c.real] or found.gains()
    said = [
        f"On test rows: class mean {number(mean.plain)} to {number(mean.pick)}, {interval(mean.difference)}; top-1 "
        f"{interval(found.parts[1].difference)} ({mean.rows:,} rows, {counted(found.seeds, 'seed')}).",
        f"Gains most on: {', '.join(_class(c) for c in gains[:3]) or 'no class'}.",
    ]
    if head:
        lost = f"The head ({_head(facts)}): class mean {interval(head.difference)} on {head.rows:,} test rows."
        said.append(f"{lost}{_gentle(facts)}")
    return said


def _gentle(facts: Facts) -> str:
    """Return the alternative if the head must not lose accuracy and the pick costs it some."""
    gentle = facts.choice.gentle
    if gentle is None or facts.pick is not facts.choice.pick:
        return ""
    if gentle.strategy == PLAIN:
        return f" No other strategy keeps it within {GENTLE:.0%} on validation rows."
    return (
        f" `--keep-head {GENTLE}` picks {gentle.strategy}: validation {goals.NAMES[facts.goal]} {number(gentle.goal)}, "
        f"the head {number(gentle.head, signed=True)}."
    )


def _gains(facts: Facts) -> list[Block]:
    found = facts.evidence
    if found is None or facts.pick.strategy == PLAIN:
        return [listed(_on_test(facts))]
    rows = [
        (
            part.name,
            number(part.plain),
            number(part.pick),
            interval(part.difference),
            str(part.classes),
            f"{part.rows:,}",
        )
        for part in found.parts
    ]
    classes = [*found.gains()[:MOST_SHOWN], *found.losses()[:MOST_SHOWN]]
    by_class = [
        (c.name, f"{c.train:,}", f"{c.test:,}", interval(c.difference), "yes" if c.real else "no") for c in classes
    ]
    return [
        text(f"On test rows, which chose nothing, {counted(found.seeds, 'seed')}; the head is {_head(facts)}."),
        Block("table", header=("", "plain training", "pick", "difference", "classes", "test rows"), rows=tuple(rows)),
        text("Classes that gain, then those that lose, those beyond chance first (Holm-corrected for all classes)."),
        Block(
            "table",
            header=("class", "training rows", "test rows", "difference", "beyond chance"),
            rows=tuple(by_class),
        ),
    ]


def _ranking(facts: Facts) -> Block:
    def row(one: Standing) -> tuple[str, ...]:
        gain = NOTHING if one.strategy == PLAIN else interval(one.gain)
        return (
            str(one.group), one.strategy, str(one.seeds), number(one.goal), gain, number(one.graded),
            number(one.expected), number(one.head, signed=True), duration(one.seconds),
        )  # fmt: skip

    header = (
        "group", "strategy", "seeds", goals.NAMES[facts.goal], "against plain training", "graded", "expected", "head",
        "training",
    )  # fmt: skip
    return Block("table", header=header, rows=tuple(map(row, facts.choice.ranked)))


def _spent(facts: Facts) -> list[str]:
    return [f"{duration(facts.spent_s)} of a budget of {duration(facts.budget_s)} were spent."]


def _head(facts: Facts) -> str:
    names, train = facts.findings.names, facts.findings.train_C
    share = sum(train[: facts.head]) / sum(train)
    which = names[0] if facts.head == 1 else f"the {facts.head} most frequent classes"
    return f"{which}, {share:.0%} of the training rows"


def _class(one: OfClass) -> str:
    return f"{one.name} {interval(one.difference)} ({one.train} training, {one.test} test rows)"
