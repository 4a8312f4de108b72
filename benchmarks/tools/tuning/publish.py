"""Put a search on record: a table of its trials, and the chosen setting's records with the mark `tuned`."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from backbones.files import write_bytes
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.records.storage import safe_name
from benchmarks.suites.suite import Recipe, Suite
from benchmarks.tools.tuning.search import Search, Tried


def table_path(out: Path, suite: str, search: Search) -> Path:
    """Return the file of a search's trials: `<suite>/trials/<backbone>/<strategy>.csv`."""
    return out / safe_name(suite) / "trials" / safe_name(search.backbone) / f"{safe_name(search.of)}.csv"


def write_table(out: Path, suite: str, search: Search) -> Path:
    """Write one row per trial: its settings, class means on validation, whether it was chosen, its cells' keys.

    A strategy's parameter is empty in the row of the default, which `strategy` spells out.
    """
    settings = list(dict.fromkeys(name for one in search.tried for name in one.trial.settings))
    stages = list(dict.fromkeys(name for one in search.tried for name in one.stages))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "strategy", *settings, "validation", *stages, "chosen", "keys", "error"])
    for one in search.tried:
        trial, scores = one.trial, [f"{one.score:.6f}" if one.stages else ""]
        scores += [f"{one.stages[name]:.6f}" if one.stages else "" for name in stages]
        values = [trial.settings.get(name, getattr(trial.suite.recipe, name, "")) for name in settings]
        chosen = "yes" if one is search.chosen else ""
        writer.writerow([trial.number, trial.strategy, *values, *scores, chosen, " ".join(one.keys), one.error])
    path = table_path(out, suite, search)
    write_bytes(path, text.getvalue().encode())
    return path


def write_tuned(out: Path, suite: Suite, search: Search, chosen: Tried, records: Sequence[Record], seeds: int) -> None:
    """Write the finished records of the chosen setting to the suite, marked, in the place of an earlier search's.

    `seeds`: how many each trial had.
    """
    default = search.tried[0]
    tuned = {
        "of": search.of,
        "trials": len(search.tried),
        "failed": sum(not one.stages for one in search.tried),
        "seeds": seeds,
        "trial": chosen.trial.number,
        "settings": dict(chosen.trial.settings),
        "default": _searched(suite.recipe),
        "validation": [default.score if default.stages else None, chosen.score],
    }
    done = [record for record in records if record.status == "done"]
    marked = [dataclasses.replace(r, suite=suite.name, extra={**r.extra, "tuned": tuned}) for r in done]
    written = {storage.write(record, out) for record in marked}
    for path in {other for one in marked for other in storage.seeds_of(one, out)} - written:
        path.unlink()  # seeds that this search did not run still have an earlier search's settings


def _searched(recipe: Recipe) -> dict[str, float]:
    """Return the recipe's own values of what is searched for every strategy."""
    names = [*recipe.space(), *(["tail_learning_rate"] if recipe.tail_learning_rate is not None else [])]
    return {name: getattr(recipe, name) for name in names}
