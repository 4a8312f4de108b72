"""`recommendation.md` and `.json` in a suite's folder: the answer, and what `export recommended` needs."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from backbones.files import write_bytes
from benchmarks.records.storage import record_path, safe_name
from benchmarks.support.errors import UserError
from benchmarks.tools.recommend.words.blocks import Block

PAGE, CONTENT = "recommendation.md", "recommendation.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommended:
    """The recommended cell, what it was trained on, and the answer's texts.

    `data`, `plugins`: absolute paths. `of_table`: options of a dataset that is a table. `made`: when it was written.
    """

    suite: str
    backbone: str
    strategy: str
    seed: int
    data: str | None
    of_table: dict[str, str]
    plugins: tuple[str, ...]
    lines: tuple[str, ...]
    blocks: tuple[Block, ...]
    made: str = ""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The sentences on what was recommended, why, and what it was compared with."""
        said = ("Recommended", "No recommendation", "Why: ", "Top group: ", "Fine-tuning: ")
        return tuple(line for line in self.lines if line.startswith(said))

    def record(self, out: Path) -> Path:
        """Return the file of the cell's record."""
        return record_path(out, self.suite, self.backbone, self.strategy, self.seed)


def write(answer: Recommended, out: Path, suite: str) -> Path:
    """Write both files into the folder of `suite`; return the page's path."""
    folder = out / safe_name(suite)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    content = json.dumps({**dataclasses.asdict(answer), "made": made}, indent=1, ensure_ascii=False)
    blocks = ["# Recommendation", *(block.markdown() for block in answer.blocks)]
    write_bytes(folder / PAGE, ("\n\n".join(blocks) + "\n").encode())
    write_bytes(folder / CONTENT, content.encode())
    return folder / PAGE


def latest(out: Path) -> Recommended:
    """Return the answer below `out` that was given last, of those that can be read.

    Raises UserError where there is none.
    """
    found: list[Recommended] = []
    for path in sorted(out.glob(f"*/{CONTENT}")):
        with contextlib.suppress(OSError, ValidationError):
            found.append(TypeAdapter(Recommended).validate_json(path.read_bytes(), strict=True))
    if not found:
        raise UserError(
            f"no recommendation below {out} can be read; run `recommend --data MY_IMAGES` first, or name its folder "
            "with --out."
        )
    return max(found, key=lambda one: one.made)


def spent(out: Path, suite: str) -> float:
    """Return the seconds that earlier calls have spent of the budget."""
    try:
        return float(json.loads(_clock(out, suite).read_text(encoding="utf-8"))["spent_seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def spend(out: Path, suite: str, seconds: float) -> None:
    """Keep what has been spent so far."""
    with contextlib.suppress(OSError):  # a full disk: the next call spends more
        write_bytes(_clock(out, suite), json.dumps({"spent_seconds": round(seconds, 1)}).encode())


def _clock(out: Path, suite: str) -> Path:
    return out / ".work" / "recommend" / f"{safe_name(suite)}.json"
