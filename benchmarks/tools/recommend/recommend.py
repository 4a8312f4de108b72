"""Make a recommendation: inspect the data, search, choose, report, save the answer."""

from __future__ import annotations

import dataclasses
import functools
import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.data.layouts.tables.hugging_face import is_hub_name
from benchmarks.data.split import head_by_rows
from benchmarks.records.record import Record
from benchmarks.records.stats import Difference
from benchmarks.running.session import Session
from benchmarks.suites.reproduce import PROGRAM
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError
from benchmarks.support.words import duration
from benchmarks.tools.recommend import findings, saved
from benchmarks.tools.recommend.candidates import PLAIN, candidates
from benchmarks.tools.recommend.choice import Choice, Standing, choose
from benchmarks.tools.recommend.evidence import evidence
from benchmarks.tools.recommend.finetune import FineTuned, compare, fine_tune
from benchmarks.tools.recommend.halving import MOST_SEEDS
from benchmarks.tools.recommend.search import Execute, Found, Search
from benchmarks.tools.recommend.setup import fine_tuning
from benchmarks.tools.recommend.words import answer
from benchmarks.tools.recorded import Recorded

SHOWN_MODEL = "MODEL"
WAITING = "not tried yet; it follows where the budget allows."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: `keep` is the most class mean that the pick may cost the head; only `strategies` are tried, if given.

    `mirrors`: whether a mirrored image keeps its class. `started`: when the command began, on the clock of
    `time.monotonic`. `suite_file`: the file that the suite comes from, if any.
    """

    suite: Suite
    said: tuple[str, ...]
    mirrors: bool
    goal: str
    keep: float
    budget_s: float
    started: float
    out: Path
    data: Path | None
    of_table: Mapping[str, str] = dataclasses.field(default_factory=dict)
    plugins: tuple[Path, ...] = ()
    strategies: tuple[str, ...] = ()
    suite_file: str | None = None


@dataclasses.dataclass(frozen=True)
class Ports:
    """The functions that a recommendation calls: open a session of seed 0, run it, print a line for the user."""

    opens: Callable[[Suite, Sequence[str]], Session]
    execute: Execute
    say: Callable[[str], None]


def recommend(asked: Asked, ports: Ports) -> tuple[list[str], Path]:
    """Search, choose and keep the answer; return its lines and the path of its page."""
    tried = asked.strategies or candidates(asked.suite.recipe.frozen)
    session = ports.opens(asked.suite, tried)
    name = session.context.suite.name
    before = saved.spent(asked.out, name)
    until = asked.started + asked.budget_s - before
    stage = session.context.stages[-1]
    seen = findings.look(session.context.loaded, stage, MOST_SEEDS)
    rows = len(stage.data.train_rows)
    tuning = fine_tuning(session.context.suite, rows, asked.budget_s, mirrors=asked.mirrors)
    search = Search(session, asked.goal, until, ports.execute, asked.keep)

    def told(found: Found, more: Found | str = WAITING) -> tuple[list[str], Path]:
        spent_s = before + time.monotonic() - asked.started
        facts, cell = _facts(asked, session, seen, found, more, tuning, spent_s)
        lines = answer.lines(facts)
        kept = saved.Recommended(
            suite=cell.suite, backbone=cell.backbone, strategy=cell.strategy, seed=cell.seed,
            data=_absolute(asked.data), of_table=_of_table(asked),
            plugins=tuple(str(path.resolve()) for path in asked.plugins),
            lines=tuple(lines), blocks=tuple(answer.blocks(facts)),
        )  # fmt: skip
        return lines, saved.write(kept, asked.out, name)

    def meanwhile(when: str, found: Found) -> None:
        line = told(found)[0][0]
        ports.say(f"{when}, after {duration(before + time.monotonic() - asked.started)}: {line}")

    try:
        alone = bool(seen.too_few or seen.balanced)
        found = search.plain_alone() if alone else search.run(meanwhile)
        if not asked.suite.recipe.frozen:
            return told(found, "no ImageNet weights are here to tune; all weights were trained from scratch.")
        if seen.too_few:
            return told(found, "not tried; so few images could not tell whether it helps.")
        told(found)
        ranked = [] if alone else _finalists(asked, session, found)
        opens = functools.partial(ports.opens, tuning, (PLAIN, *ranked))
        return told(found, fine_tune(opens, ranked, asked.goal, until, ports.execute, ports.say))
    finally:
        saved.spend(asked.out, name, before + time.monotonic() - asked.started)


def _finalists(asked: Asked, session: Session, found: Found) -> list[str]:
    """Return the strategies to fine-tune, the frozen pick first, then the best with as many seeds."""
    choice = _choice(asked, session, found)
    last = [one.strategy for one in choice.ranked if one.seeds == choice.pick.seeds]
    return [name for name in dict.fromkeys((choice.pick.strategy, *last)) if name != PLAIN]


def _facts(
    asked: Asked, session: Session, seen: findings.Findings, found: Found, more: Found | str, tuning: Suite,
    spent_s: float,
) -> tuple[answer.Facts, Record]:  # fmt: skip
    """Return what the answer is made of, and the record of the recommended cell."""
    if PLAIN not in found.records:
        raise UserError(
            f"plain training failed, and nothing can be compared with it; `status --out {asked.out}` says why."
        )
    counts_C = session.context.stages[-1].facts.counts_C
    head = head_by_rows(counts_C)
    choice = _choice(asked, session, found) if not seen.too_few else _default(found)
    tuned: FineTuned | str
    if isinstance(more, Found):
        tuned = compare(more, found, choice.pick, asked.goal, asked.keep, tuning, counts_C)
    else:
        tuned = more
    pick, records = choice.pick, found.records
    if isinstance(tuned, FineTuned) and tuned.wins:
        pick, records = tuned.choice.pick, tuned.found.records
    record = records[pick.strategy][0]
    command = Recorded(record=record, suite_name=asked.suite_file).command
    data = shlex.quote(str(asked.data)) if asked.data else ""
    facts = answer.Facts(
        goal=asked.goal, keep=asked.keep, findings=seen, choice=choice,
        evidence=evidence(records[pick.strategy], records[PLAIN], head), head=head, said=asked.said,
        untried=found.untried, failed=found.failed, spent_s=spent_s, budget_s=asked.budget_s, tuned=tuned,
        commands=(command.replace("--data PATH", f"--data {data}"), _export(asked.out)),
    )  # fmt: skip
    return facts, record


def _choice(asked: Asked, session: Session, found: Found) -> Choice:
    head = head_by_rows(session.context.stages[-1].facts.counts_C)
    return choose(asked.goal, found.predicted, found.seconds(), head, asked.keep)


def _default(found: Found) -> Choice:
    """Return plain training without a comparison."""
    nothing = Difference(0.0, 0.0, 0.0, 1.0)
    seconds = found.seconds()[PLAIN]
    plain = Standing(PLAIN, len(found.records[PLAIN]), math.nan, math.nan, nothing, 0.0, seconds, group=1)
    return Choice(plain, (plain,), (plain,))


def _export(out: Path) -> str:
    where = "" if out == Path("runs") else f" --out {shlex.quote(str(out))}"
    return f"{PROGRAM} export recommended --to {SHOWN_MODEL}{where}"


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path if is_hub_name(path) else path.resolve())


def _of_table(asked: Asked) -> dict[str, str]:
    """Return what was said of a table, with an absolute path."""
    return {name: str(Path(v).resolve()) if name == "image_root" else v for name, v in asked.of_table.items()}
