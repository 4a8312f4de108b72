"""Optional TensorBoard logs: per cell the loss of every epoch, and what each stage reached."""

from __future__ import annotations

from pathlib import Path

from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.store import Store
from benchmarks.progress.reporter import Reporter
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record, safe_name
from benchmarks.support.errors import UserError


class TensorBoardReporter(Reporter):
    """Writes a run `<folder>/<suite>/<backbone>/<strategy>-seed<k>` when its cell is done.

    Tags: `<stage>/loss` by epoch of the stage (shared jobs included), `<stage>/top-1` and `<stage>/class mean` in
    [0, 1] at its last epoch. Cells that were stored before are written too, where their run is missing.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        """Log below `folder`. Raises UserError where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("--tensorboard needs TensorBoard; run `pip install -e .[tensorboard]`.") from error
        self._writer = SummaryWriter
        self._folder, self._store = folder, store

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """Write the runs of stored cells that have none."""
        for cell in plan.cells:
            if cell.key in stored and not self._run(cell, stored[cell.key]).exists():
                self.cell_done(cell, stored[cell.key])

    def cell_done(self, cell: Cell, record: Record) -> None:
        """Write the cell's run."""
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
        parts = (record.suite, cell.backbone, f"{cell.strategy}-seed{cell.seed}")
        return self._folder.joinpath(*(safe_name(part) for part in parts))
