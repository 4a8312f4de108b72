"""The files of jobs: one folder per key, `<out>/.work/jobs/<key>/`.

`state.safetensors` is the trained state (until no job needs it any more), `checkpoint.safetensors` and
`previous-checkpoint.safetensors` those of an unfinished job, `predictions.npz` the logits of test and validation
rows, `result.json` what it cost. The result is written last: a job whose result cannot be read is not
done, and is started again.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.files import LEFT, write_bytes

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What a finished job cost: `seconds` of training over `images` images in `epochs` epochs; loss, accuracy of each.

    `peak_memory_bytes` leaves out images that a GPU holds for all jobs. `pieces`: the number of micro-batches per
    batch, if a whole one did not fit on a GPU. `hardware`: the machine. `after`: the job of the stage that this one
    continued, None if it began the stage, empty if an earlier version did not store it.
    """

    key: str
    seconds: float
    images: int
    epochs: int
    losses: tuple[float, ...]
    peak_memory_bytes: int
    pieces: int = 1
    hardware: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    accuracies: tuple[float, ...] = ()
    after: str | None = ""


class Store:
    """The job folders of one output folder. `FILES`: the names of what jobs and killed writers leave there."""

    FILES = re.compile(
        rf"((next-|previous-)?checkpoint|state)\.safetensors|predictions\.npz|result\.json|{LEFT.pattern}"
    )

    def __init__(self, out: Path) -> None:
        """Use `<out>/.work/`; nothing is created before something is written."""
        self.work = Path(out) / ".work"

    def folder(self, key: str) -> Path:
        """Return the job's folder."""
        return self.work / "jobs" / key

    def state(self, key: str) -> Path:
        """Return the path of the job's trained state."""
        return self.folder(key) / "state.safetensors"

    def checkpoint(self, key: str) -> Path:
        """Return the path of the job's state in the middle of training."""
        return self.folder(key) / "checkpoint.safetensors"

    def result(self, key: str) -> JobResult | None:
        """Return the result of a finished job; None if it is not finished, or its file cannot be read."""
        try:
            content: dict[str, Any] = json.loads((self.folder(key) / "result.json").read_text(encoding="utf-8"))
            for name in {"losses", "accuracies"} & set(content):
                content[name] = tuple(content[name])
            return JobResult(**content)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def history(self, key: str) -> list[JobResult] | None:
        """Return the results of the jobs that led to a finished job's state in its stage, in order, its own last.

        A key identifies a state, not the jobs that led to it: if an earlier plan cut the stage elsewhere, they differ
        from the current plan's. None if a result is missing, or an earlier version did not store its `after`.
        """
        found: list[JobResult] = []
        after: str | None = key
        while after is not None:
            result = self.result(after)
            if result is None:
                return None
            found.insert(0, result)
            after = result.after
        return found

    def finish(self, result: JobResult) -> None:
        """Mark the job as done."""
        content = json.dumps(dataclasses.asdict(result), indent=1).encode()
        write_bytes(self.folder(result.key) / "result.json", content)
        self.drop_checkpoints(result.key)

    def drop_checkpoints(self, key: str) -> None:
        """Remove the job's states in the middle of training."""
        for left in self.folder(key).glob("*checkpoint.safetensors"):
            left.unlink(missing_ok=True)

    def write_predictions(self, key: str, **arrays: np.ndarray) -> None:
        """Store float32 logits by name ("test", "validation"), rows in the stage's order.

        Other outputs of the classifier are named after them: "test.logits_BEC".
        """
        import numpy as np

        buffer = io.BytesIO()
        if any(array.dtype.hasobject for array in arrays.values()):  # NumPy 2.1 has no `allow_pickle` here
            raise ValueError("predictions are numbers; objects would have to be pickled")
        named: Any = arrays  # NumPy's stubs treat every keyword as an option
        np.savez_compressed(buffer, **named)
        write_bytes(self.folder(key) / "predictions.npz", buffer.getvalue())

    def predictions(self, key: str) -> dict[str, np.ndarray]:
        """Return what `write_predictions` stored."""
        import numpy as np

        with np.load(self.folder(key) / "predictions.npz", allow_pickle=False) as stored:
            return dict(stored)

    def has_predictions(self, key: str) -> bool:
        """Whether the job's predictions can be read completely."""
        import numpy as np

        try:
            with np.load(self.folder(key) / "predictions.npz", allow_pickle=False) as stored:
                for name in stored.files:
                    stored[name]  # reading verifies the checksum
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return False
        return True

    def drop_damaged(self, key: str) -> None:
        """Mark the job as not done if its predictions cannot be read."""
        if not self.has_predictions(key):
            (self.folder(key) / "result.json").unlink(missing_ok=True)
