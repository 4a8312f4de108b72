"""Run a finished cell again and compare it with the stored record: for the command `verify`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backbones.errors import nearest
from benchmarks.planning.plan import Cell
from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.bits import unpack_bits
from benchmarks.records.record import Record, StageResult
from benchmarks.suites import suite
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError, one_line

if TYPE_CHECKING:
    from benchmarks.running.session import Session

GPU_HITS = 0.05  # share of a stage's rows: the order of GPU additions varies, and training amplifies it


def find_done(out: Path, name: str) -> Record:
    """Return what `find` does. Raises UserError also for a cell that failed."""
    record = find(out, name)
    if record.status != "done":
        shown = one_line(record.name)
        raise UserError(f"{shown} failed when it was run ({record.error}); `run --retry-failed` tries it again.")
    return record


def find(out: Path, name: str, suite_name: str | None = None) -> Record:
    """Return the record of a file or of `backbone|strategy|seed`, `|split` where it was drawn.

    Raises UserError if there is none, or several.
    """
    if Path(name).is_file():
        return storage.read(Path(name))
    found = storage.read_below(out)
    found = [r for r in found if suite_name in (None, r.suite)]
    wanted = _plain(name)
    meant = [r for r in found if wanted == _plain(_short(r))]
    meant = [r for r in meant if r.tuned is None] or meant
    if not meant:
        known = [_short(r) for r in found]
        some = f"; there are {', '.join(known[:5])}{' and others' if len(known) > 5 else ''}" if known else ""
        raise UserError(
            f"no cell {name!r} below {out}{nearest(wanted, known)}; expected backbone|strategy|seed, or a record's "
            f"file{some}."
        )
    if len(meant) > 1:
        raise UserError(f"{name} is in the suites {', '.join(r.suite for r in meant)}; name the record's file.")
    return meant[0]


def _short(r: Record) -> str:
    return f"{r.backbone}|{r.strategy}|{r.seed}{f'|{r.split}' if r.split else ''}"


def _plain(name: str) -> str:
    return "|".join(part.strip().removeprefix("seed ").strip() for part in name.split("|"))


def base_suite(record: Record, file: str | None) -> Suite | None:
    """Return the suite `file`, or else the package's suite after which the record's is named; None without one."""
    based = [name for name in suite.names() if f"{record.suite}-".startswith(f"{name}-")]
    return suite.load(file or max(based, key=len)) if file or based else None


def suite_of(record: Record, file: str | None) -> Suite:
    """Return the suite of a record: its recipe from the record, its dataset's options from the suite `file`.

    Without `file` the options come from the package's suite after which the record's suite is named.
    """
    base = base_suite(record, file)
    own = ("head_classes", "validation")
    trained = {name: value for name, value in record.setup.recipe.items() if name not in own}
    if isinstance(trained.get("weights"), dict):  # a suite cannot name a file: `run` gets or finds it
        trained["weights"] = "imagenet" if record.setup.imagenet else "none"
    content = {
        "title": base.title if base else record.suite,
        "dataset": record.setup.dataset,
        "protocol": record.setup.protocol,
        "backbones": [record.backbone],
        "strategies": [record.strategy],
        "recipe": trained,
        "options": base.options if base and base.dataset == record.setup.dataset else {},
        "split": record.split,
        **{name: record.setup.recipe[name] for name in own},
    }
    return suite.validate({**content, "name": record.suite}, record.suite, record.suite)


def run(record: Record, asked: Suite, folder: Path, data: Path | None, weights: Path | None) -> Record:
    """Run the record's cell into `folder`, with its layout and precision, and return the new record.

    Raises UserError if the data or weights are missing, or if the cell fails this time.
    """
    from benchmarks.progress.reporter import PlainReporter, say
    from benchmarks.running.cells import file_of
    from benchmarks.running.local import execute

    session, cell = open_again(record, asked, folder, data, weights, say)
    execute(session.plan, session.context, folder, PlainReporter(), only=[cell])
    again = storage.read(file_of(cell, folder, asked.name))
    if again.status == "failed":
        raise UserError(f"{cell.name} fails when it is run again: {again.error}.")
    return again


def open_again(
    record: Record, asked: Suite, folder: Path, data: Path | None, weights: Path | None, say: Callable[[str], None]
) -> tuple[Session, Cell]:
    """Return a session that writes to `folder` and plans the record's cell, with its layout and precision.

    `say` gets the lines that a session has for the user. Raises UserError if the data or weights are missing.
    """
    from backbones.probe import Choice
    from benchmarks.running.frozen_features import with_features
    from benchmarks.running.session import Request, open_session

    _require_weights(record, weights)
    environment = record.environment
    choice = Choice(environment.layout, environment.dtype)  # type: ignore[arg-type]
    request = Request(
        suite=asked,
        data=data,
        backbones=(record.backbone,),
        strategies=(record.strategy,),
        seeds=record.seed + 1,
        device=environment.device,
        out=folder,
        weights=weights,
        choose=lambda *_: choice,
        force=True,  # the record's run was forced, if it had to be
    )
    session = with_features(open_session(request, say, lambda *_: None), say, lambda *_: None)
    return session, next(cell for cell in session.plan.cells if cell.seed == record.seed)


def _require_weights(record: Record, file: Path | None) -> None:
    """Raise UserError if the record started from a weights file and `file` is not that file."""
    given = record.setup.recipe.get("weights")
    if not isinstance(given, dict) or record.setup.imagenet:
        return
    which = f"{given.get('file')} (sha256 {given.get('sha256')})"
    if file is None:
        raise UserError(f"{record.name} started from {which}; give that file with --weights FILE.safetensors.")
    if file.is_file() and not hashlib.sha256(file.read_bytes()).hexdigest().startswith(str(given.get("sha256"))):
        raise UserError(f"{record.name} started from {which}, and {file} has other content; give that one.")


def differences(record: Record, again: Record, out: Path, fresh: Path) -> Iterator[str]:
    """Yield one sentence per difference: on CPU any bit; on GPU only hits that differ on more than `GPU_HITS`.

    Predictions are compared if the record's are still below `out`.
    """
    exact = _exact(record, again)
    for one, other in zip(record.stages, again.stages, strict=True):
        if (one.classes, one.test_n, one.rows_key) != (other.classes, other.test_n, other.rows_key):
            yield f"stage {one.name}: classes or test rows differ"
            continue
        hits = _hits(one, other, 0.0 if exact else GPU_HITS)
        logits = _logits(one, other, Store(out), Store(fresh)) if exact else None
        yield from (f"stage {one.name}: {text}" for text in (hits, logits) if text)


def agreement(record: Record, again: Record, out: Path) -> str:
    """Return what was compared, for a cell without differences."""
    if not _exact(record, again):
        return f"hits, on all but {GPU_HITS:.0%} of the rows"
    kept = all(any(Store(out).has_predictions(key) for key in stage.jobs) for stage in record.stages)
    return "bits" if kept else "hits; its predictions were removed and could not be compared"


def _exact(record: Record, again: Record) -> bool:
    return record.environment.device == again.environment.device == "cpu"


def _hits(one: StageResult, other: StageResult, tolerance: float) -> str | None:
    """Return where top-1 or top-5 hits differ first, if they differ on more than `tolerance` of the rows."""
    for top in (1, 5):
        before, now = (unpack_bits(getattr(s, f"top{top}_bits"), s.rows) for s in (one, other))
        rows = np.flatnonzero(before != now)
        if len(rows) > tolerance * one.rows:
            class_ = int(np.searchsorted(np.cumsum(one.test_n), rows[0], side="right"))
            within = int(rows[0]) - sum(one.test_n[:class_])
            return (
                f"top-{top} hits differ on {len(rows)} of {one.rows} rows, first on row {within} of class "
                f"{one.classes[class_]!r} (stored {bool(before[rows[0]])}, now {bool(now[rows[0]])})"
            )
    return None


def _logits(one: StageResult, other: StageResult, stored: Store, fresh: Store) -> str | None:
    """Return where stored predictions, companions' too, differ first; None if they are equal or were removed.

    The last job of a stage and of each companion has predictions.
    """
    for key in one.jobs:
        if not (stored.has_predictions(key) and fresh.has_predictions(key)):
            continue
        before, now = stored.predictions(key), fresh.predictions(key)
        for name in sorted(before):
            if name not in now or before[name].shape != now[name].shape:
                return f"predictions {name!r} have another shape"
            rows = np.flatnonzero((before[name] != now[name]).reshape(len(before[name]), -1).any(1))
            if len(rows):
                most = float(np.abs(before[name] - now[name]).max())
                where = f"on {len(rows)} of {len(before[name])} rows, first on row {rows[0]}"
                return f"predictions {name!r} differ {where}, by up to {most:.3g}"
    return None


def machine_changes(record: Record, again: Record) -> list[str]:
    """Return differences between the two machines and their libraries, which may explain a difference in results."""
    here, there = (
        {**of.versions, **of.hardware, "threads": of.threads} for of in (again.environment, record.environment)
    )
    return [
        f"{name} {there[name]} then, {here[name]} now" for name in there if name in here and here[name] != there[name]
    ]


def same_cell(record: Record, again: Record) -> str | None:
    """Return why the repeated cell is not the recorded one, None if it is."""
    before, now = record.setup.fingerprint, again.setup.fingerprint
    if before != now:
        return f"the data differ (fingerprint {before[:12]}, here {now[:12]})"
    if record.key != again.key:
        return "this version or these initial weights change its training (its key differs)"
    return None
