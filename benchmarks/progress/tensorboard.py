"""Optional TensorBoard logs: per cell the loss of every epoch and the accuracy of each stage."""

from __future__ import annotations

from pathlib import Path

from benchmarks.planning.plan import Cell
from benchmarks.planning.store import Store
from benchmarks.progress.events import CellDone, Event, RunStarted
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record
from benchmarks.records.storage import safe_name
from benchmarks.support.errors import UserError


class TensorBoardReporter:
    """Writes one TensorBoard run per finished cell, `<folder>/<suite>/<backbone>/<strategy>-seed<k>`.

    Tags: `<stage>/loss` by epoch of the stage (shared jobs included), `<stage>/top-1` and `<stage>/class mean` in
    [0, 1] at its last epoch. Cells of earlier runs are written too if their TensorBoard run is missing.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        """Log below `folder`. Raises UserError if TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("--tensorboard needs TensorBoard; run `pip install -e .[tensorboard]`.") from error
        self._writer = SummaryWriter
        self._folder, self._store = folder, store

    def tell(self, event: Event) -> None:
        """Write the finished cell; at the start, the stored cells that have no log yet."""
        match event:
            case RunStarted(plan, stored):
                for cell in plan.cells:
                    if cell.key in stored and not self._run(cell, stored[cell.key]).exists():
                        self._write(cell, stored[cell.key])
            case CellDone(cell, record):
                self._write(cell, record)

    def _write(self, cell: Cell, record: Record) -> None:
        if record.status != "done":
            return
        with self._writer(str(self._run(cell, record))) as writer:
            for (name, (overall, class_mean)), chain in zip(stage_means(record).items(), cell.jobs, strict=True):
                results = [self._store.result(key) for key in chain]
                losses = [loss for result in results if result is not None for loss in result.losses]
                for epoch, loss in enumerate(losses, start=1):
                    writer.add_scalar(f"{name}/loss", loss, epoch)
                writer.add_scalar(f"{name}/top-1", overall, len(losses))
                writer.add_scalar(f"{name}/class mean", class_mean, len(losses))

    def _run(self, cell: Cell, record: Record) -> Path:
        drawn = f"-split{cell.split}" if cell.split else ""
        parts = (record.suite, cell.backbone, f"{cell.strategy}-seed{cell.seed}{drawn}")
        return self._folder.joinpath(*(safe_name(part) for part in parts))
