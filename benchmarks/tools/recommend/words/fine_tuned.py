"""Fine-tuning in words: a headline where it wins, one sentence, and a section of the page."""

from __future__ import annotations

from benchmarks.leaderboard.markdown import NOTHING, number
from benchmarks.support.words import duration
from benchmarks.tools.recommend import goals
from benchmarks.tools.recommend.candidates import called
from benchmarks.tools.recommend.finetune import FineTuned
from benchmarks.tools.recommend.words.blocks import Block, heading, interval, text


def headline(of: FineTuned, goal: str) -> str:
    """Return what is recommended, and what it gains over the frozen pick."""
    return (
        f"{called(of.choice.pick.strategy)}, fine-tuned ({of.image_size} px, {of.epochs} epochs); validation {goal} "
        f"{interval(of.gain)} against {called(of.frozen)} on frozen features."
    )


def sentence(of: FineTuned | str, goal: str) -> str:
    """Return a sentence on the result."""
    if isinstance(of, str):
        return of
    test = f", and the class mean of test rows by {interval(of.test.difference)}" if of.test else ""
    says = "" if of.beyond_chance else " Chance may explain it."
    decides = "It is recommended." if of.wins else "Frozen features stay: they are no worse, and cheaper."
    best = called(of.choice.pick.strategy)
    return (
        f"the best, {best}, changes the validation {goals.NAMES[goal]} by {interval(of.gain)} "
        f"against {called(of.frozen)} on frozen features{test}.{says} {decides}"
    )


def section(of: FineTuned | str, goal: str) -> list[Block]:
    """Return the page's section on fine-tuned strategies; none where none was trained."""
    if isinstance(of, str):
        return []
    rows = [
        (
            str(one.group),
            one.strategy,
            str(one.seeds),
            number(one.goal),
            interval(one.gain) if one.gain.p < 1 else NOTHING,
            number(one.head, signed=True),
            duration(one.seconds),
        )
        for one in of.choice.ranked
    ]
    header = ("group", "strategy", "seeds", goals.NAMES[goal], "against plain training", "head", "training")
    return [
        heading("Frozen or fine-tuned"),
        text(
            f"All weights were trained at {of.image_size} px for {of.epochs} epochs, on the same rows. "
            f"Of them {sentence(of, goal)}"
        ),
        Block("table", header=header, rows=tuple(rows)),
    ]
