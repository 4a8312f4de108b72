"""A finished cell, and how to plan it again: for the commands `verify` and `export`."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import nearest
from benchmarks.planning.plan import Cell
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.suites import suite as suites
from benchmarks.suites.reproduce import based_on, training_command
from benchmarks.suites.settings import with_options
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError, one_line

if TYPE_CHECKING:
    from benchmarks.running.session import Session


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recorded:
    """A finished cell: its record, and where to find what the record does not contain.

    `suite_name`: the record's suite, by name or as a file; None: the package's suite after which it is named. `data`,
    `weights`: as for `run`. `of_table`: options of a dataset that is a table.
    """

    record: Record
    suite_name: str | None = None
    data: Path | None = None
    of_table: Mapping[str, str] = dataclasses.field(default_factory=dict)
    weights: Path | None = None

    @functools.cached_property
    def base(self) -> Suite | None:
        """The suite that the record's was made from; None if the package has none of that name."""
        if self.suite_name:
            return suites.load(self.suite_name)
        return based_on(self.record.suite)

    @property
    def command(self) -> str:
        """The `run` that trains the cell (see `training_command`)."""
        return training_command(self.record, self.base, self.suite_name)

    @functools.cached_property
    def suite(self) -> Suite:
        """The record's suite with this cell alone: the recipe is the record's, the dataset's options are `base`'s."""
        setup, base = self.record.setup, self.base
        own = ("head_classes", "validation", "folds")
        recipe = {name: value for name, value in setup.recipe.items() if name not in own}
        if isinstance(recipe.get("weights"), dict):  # a suite cannot name a file: `run` gets or finds it
            recipe["weights"] = "imagenet" if setup.imagenet else "none"
        content = {
            "name": self.record.suite,
            "title": base.title if base else self.record.suite,
            "dataset": setup.dataset,
            "protocol": setup.protocol,
            "backbones": [self.record.backbone],
            "strategies": [self.record.strategy],
            "recipe": recipe,
            "options": base.options if base and base.dataset == setup.dataset else {},
            "split": self.record.split,
            **{name: setup.recipe[name] for name in own if name in setup.recipe},
        }
        return with_options(suites.validate(content, self.record.suite, self.record.suite), self.of_table)

    def plan_again(self, folder: Path, say: Callable[[str], None]) -> tuple[Session, Cell]:
        """Return a session that writes to `folder` and plans this cell, with the record's layout and precision.

        `say` gets the session's lines for the user. Raises UserError if the data or weights are missing.
        """
        from backbones.probe import Choice
        from benchmarks.running.frozen_features import with_features
        from benchmarks.running.session import Request, open_session

        self._require_weights()
        record, environment = self.record, self.record.environment
        choice = Choice(environment.layout, environment.dtype)  # type: ignore[arg-type]
        request = Request(
            suite=self.suite,
            data=self.data,
            backbones=(record.backbone,),
            strategies=(record.strategy,),
            seed=record.seed,
            device=environment.device,
            out=folder,
            weights=self.weights,
            choose=lambda *_: choice,
            force=True,  # the record's run was forced, if it had to be
        )
        session = with_features(open_session(request, say, lambda *_: None), say, lambda *_: None)
        return session, next(cell for cell in session.plan.cells if cell.seed == record.seed)

    def _require_weights(self) -> None:
        """Raise UserError if the record started from a weights file and `weights` is not that file."""
        record, file, given = self.record, self.weights, self.record.setup.recipe.get("weights")
        if not isinstance(given, dict) or record.setup.imagenet:
            return
        which = f"{given.get('file')} (sha256 {given.get('sha256')})"
        if file is None:
            raise UserError(f"{record.name} started from {which}; give that file with --weights FILE.safetensors.")
        if file.is_file() and not hashlib.sha256(file.read_bytes()).hexdigest().startswith(str(given.get("sha256"))):
            raise UserError(f"{record.name} started from {which}, but {file} has other content; give that one.")


def find_done(out: Path, name: str, suite: str | None = None) -> Record:
    """Return the record of a file, or of `backbone|strategy|seed` (`|split` if it was drawn) below `out`.

    `suite` says of which suite where several have it. Raises UserError if there is none, if there are several, and for
    a cell that failed.
    """
    record = storage.read(Path(name)) if Path(name).is_file() else _find(out, name, suite)
    if record.status != "done":
        shown = one_line(record.name)
        raise UserError(f"{shown} failed when it was run ({record.error}); `run --retry-failed` tries it again.")
    return record


def _find(out: Path, name: str, suite: str | None) -> Record:
    found = storage.read_below(out)
    found = [r for r in found if r.suite == suite] or found
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
        suites_of = [r.suite for r in meant]
        raise UserError(
            f"{name} is in the suites {', '.join(suites_of)}; add --suite {suites_of[0]}, or name the record's file."
        )
    return meant[0]


def _short(r: Record) -> str:
    return f"{r.backbone}|{r.strategy}|{r.seed}{f'|{r.split}' if r.split else ''}"


def _plain(name: str) -> str:
    return "|".join(part.strip().removeprefix("seed ").strip() for part in name.split("|"))
