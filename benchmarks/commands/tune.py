"""`tune`: try settings of every strategy on validation, and run the best with the suite's seeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from benchmarks.commands.executing import Opened, opened, writing
from benchmarks.commands.opening import open_asked
from benchmarks.commands.options import TuneOptions, takes
from benchmarks.commands.plan import print_plan
from benchmarks.commands.run import print_failures, require_names, write_pages
from benchmarks.support.errors import UserError
from benchmarks.support.words import first_seeds

if TYPE_CHECKING:
    from benchmarks.suites.suite import Suite
    from benchmarks.tools.tuning.search import Search, Tried


@takes(TuneOptions)
def tune(options: TuneOptions, context: typer.Context) -> int:
    """Search each strategy's settings on validation, with the same number of trials, then run the best."""
    require_names("tune", options)
    if options.resample_splits > 1:
        raise UserError("tune chooses on the data's own split; leave --resample-splits out.")
    if options.dry_run:
        from benchmarks.tools.tuning.search import folder, with_trials

        session, _ = with_trials(open_asked(options, check=_require_validation), options.trials, options.trial_seeds)
        print_plan(session, folder(session))
        return 0
    with writing(options, "tune") as alone, opened(options, alone, context.obj, _require_validation) as found:
        search, failed = _search(found, options)
        failed += _run_chosen(found, search, options)
        _print_choice(search)
        if page := write_pages(options.out, found.session.context.suite.name):
            print(f"\nLeaderboard: {page}")
        return 1 if failed else 0


def _require_validation(suite: Suite) -> None:
    """Raise UserError for a suite without validation rows to choose on."""
    if not suite.validation:
        raise UserError(f"tune chooses on validation rows, and {suite.name} has none; add --set validation=0.1.")


def _search(found: Opened, options: TuneOptions) -> tuple[list[Search], int]:
    """Train the trials and write their tables; return the searches and the number of failed cells."""
    from benchmarks.tools.tuning.publish import write_table
    from benchmarks.tools.tuning.search import OnValidation, folder, searches, with_trials

    session, trials = with_trials(found.session, options.trials, options.trial_seeds)
    print(f"{options.trials} trials for each strategy, chosen on validation rows, {first_seeds(options.trial_seeds)}.")
    outcome = found.execute(session, folder(session), wrap=OnValidation)
    print_failures(outcome, session)
    search = searches(session, trials)
    for one in search:
        write_table(options.out, session.context.suite.name, one)
    return search, len(outcome.failed)


def _run_chosen(found: Opened, search: Sequence[Search], options: TuneOptions) -> int:
    """Run the chosen settings with the suite's seeds and write their records; return how many cells failed."""
    from benchmarks.tools.tuning.publish import write_tuned
    from benchmarks.tools.tuning.search import folder, records_of, with_cells

    chosen = [(one, best) for one in search if (best := one.chosen) is not None]
    if not chosen:
        return 0
    seeds = len({cell.seed for cell in found.session.plan.cells})
    session = with_cells(found.session, [(best.trial, one.backbone) for one, best in chosen], seeds)
    print(f"The chosen settings, {first_seeds(seeds)}.")
    outcome = found.execute(session, folder(session))
    print_failures(outcome, session)
    for one, best in chosen:
        records = records_of(session, one.backbone, best.trial)
        write_tuned(options.out, found.session.context.suite, one, best, records, options.trial_seeds)
    return len(outcome.failed)


def _print_choice(search: Sequence[Search]) -> None:
    """Print what was chosen for each strategy, and the class means on validation behind it."""
    from tabulate import tabulate

    rows = [
        [
            one.backbone,
            one.of,
            ", ".join(f"{name}={value}" for name, value in best.trial.settings.items()) or "the default",
            _score(one.tried[0]),
            _score(best),
            sum(not tried.stages for tried in one.tried),
        ]
        for one in search
        if (best := one.chosen) is not None
    ]
    headers = ["backbone", "strategy", "chosen", "validation\ndefault", "validation\ntuned", "failed\ntrials"]
    print(f"\n{tabulate(rows, headers, tablefmt='simple', disable_numparse=True)}")
    for one in search:
        if one.chosen is None:
            print(f"{one.backbone} | {one.of}: all trials failed, so nothing was chosen.", file=sys.stderr)


def _score(tried: Tried) -> str:
    return f"{tried.score:.3f}" if tried.stages else "failed"
