"""What one cell measured: the dataclasses of a record, and which of their values fit together.

A record is all that a leaderboard reads. Per class it holds counts, never percentages; per test row it holds one bit
for top-1 and one for top-5, so that two records can be compared row by row. `storage` reads and writes the files.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from benchmarks.records.bits import count_bits

SCHEMA: Literal[2] = 2  # what changes it also adds a step to `upgrades.UPGRADES`
_STRICT = {"extra": "forbid", "strict": True}


class RecordError(ValueError):
    """A record that cannot be read or must not be written; the message is one sentence that names the file."""


@dataclasses.dataclass(frozen=True)
class StageResult:
    """What one stage measured. Tuples are per class, in the order of `classes` (most training rows first).

    `train_n`: rows trained on (validation rows not counted). `rows`: test rows of the stage. `top1_bits`, `top5_bits`:
    `pack_bits` over them, class by class, so that `test_n` says which bits belong to which class. `rows_key`: hash of
    the rows' ids in the data set's order; two records can be paired only if it is equal. `jobs`: keys of the jobs
    trained for the stage, `seconds` their training time, `img_per_s` their training throughput. `metrics`: values of
    the registered metrics that need probabilities, by name. `reliability`: (rows, summed confidence, hits) of each bin
    of the calibration error (`probabilistic.reliability`). `losses`, `accuracies`: mean training loss and accuracy of
    each epoch. These three are empty in records of earlier versions.

    Raises `RecordError` on construction if the counts contradict each other.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    stage: int
    name: Literal["head", "tail", "all"]
    classes: tuple[str, ...]
    train_n: tuple[int, ...]
    validation_n: tuple[int, ...]
    test_n: tuple[int, ...]
    top1_hits: tuple[int, ...]
    top5_hits: tuple[int, ...]
    validation_top1_hits: tuple[int, ...]
    rows: int
    top1_bits: str
    top5_bits: str
    rows_key: str
    jobs: tuple[str, ...]
    epochs: int
    seconds: float
    img_per_s: float
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    reliability: tuple[tuple[int, float, int], ...] = ()
    losses: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check that lengths, counts and bits agree."""
        per_class = (self.train_n, self.validation_n, self.test_n, self.top1_hits, self.top5_hits)
        if any(len(values) != len(self.classes) for values in (*per_class, self.validation_top1_hits)):
            raise RecordError(f"stage {self.name!r} does not have one count per class")
        if len(set(self.classes)) != len(self.classes):
            raise RecordError(f"stage {self.name!r} names a class twice")
        tops = zip(self.top1_hits, self.top5_hits, self.test_n, strict=True)
        validation = zip(self.validation_top1_hits, self.validation_n, strict=True)
        if not all(0 <= a <= b <= n for a, b, n in tops) or not all(0 <= a <= n for a, n in validation):
            raise RecordError(f"stage {self.name!r} counts more hits than rows, or more in the top 1 than in the top 5")
        if sum(self.test_n) != self.rows or min(self.train_n, default=0) < 0:
            raise RecordError(f"stage {self.name!r} has {self.rows} rows, but its classes sum to {sum(self.test_n)}")
        if self.reliability and sum(rows for rows, _, _ in self.reliability) != self.rows:
            raise RecordError(f"stage {self.name!r} has bins of confidence that do not sum to its {self.rows} rows")
        if any(len(values) not in (0, self.epochs) for values in (self.losses, self.accuracies)):
            raise RecordError(f"stage {self.name!r} does not have one loss and one accuracy per epoch")
        for bits, hits in ((self.top1_bits, self.top1_hits), (self.top5_bits, self.top5_hits)):
            if count_bits(bits, self.test_n) != hits:
                raise RecordError(f"stage {self.name!r} has bits that do not sum to its hits, class by class")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What has to be equal for two records to be compared: data, protocol and recipe.

    `fingerprint`: content hash of the data at `image_size` pixels. `recipe`: the suite's, with `head_classes`,
    `validation` and the first weights. `unseen_classes`, `unseen_rows`: classes without training rows and the test
    rows in them, which are not scored.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    protocol: Literal["two-stage", "joint"]
    dataset: str
    fingerprint: str
    image_size: int
    recipe: dict[str, Any]
    unseen_classes: int
    unseen_rows: int

    @property
    def imagenet(self) -> bool:
        """Whether the first weights are ImageNet's, from a package or the hub, and the recipe names their file."""
        given = self.recipe.get("weights")
        return isinstance(given, dict) and given.get("source", "file") != "file"


@dataclasses.dataclass(frozen=True)
class Environment:
    """What the cell was computed on, and how: memory layout, data type, CPU threads of a job, libraries, machine."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    layout: str
    dtype: str
    threads: int
    device: str
    versions: dict[str, str]
    hardware: dict[str, str | int]


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the cell cost.

    `seconds_alone`: the time of all the jobs that it needs; `seconds_marginal`: without those that cells before it
    in the plan had trained already.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    seconds_alone: float
    seconds_marginal: float
    peak_memory_bytes: int


@dataclasses.dataclass(frozen=True)
class Record:
    """What one cell (backbone x strategy x seed of a suite) measured, or why it failed.

    `key`: the cell's content key. `made`: UTC, ISO 8601. `extra`: confusions, a strategy's own counts, and what `tuned`
    returns. `split`: 0 for the data's own training and test rows, from 1 for others of the same sizes.

    Raises `RecordError` on construction if status, error and stages contradict each other.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    suite: str
    backbone: str
    strategy: str
    seed: int
    key: str
    made: str
    status: Literal["done", "failed"]
    error: str | None
    setup: Setup
    environment: Environment
    cost: Cost
    stages: tuple[StageResult, ...]
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    split: int = 0
    schema: Literal[2] = SCHEMA

    @property
    def name(self) -> str:
        """The cell's name in messages."""
        more = f", split {self.split}" if self.split else ""
        more += " | tuned" if self.tuned is not None else ""
        return f"{self.backbone} | {self.strategy} | seed {self.seed}{more}"

    @property
    def tuned(self) -> dict[str, Any] | None:
        """How the settings were chosen, None for a suite's own (default) ones.

        `of`: the strategy as requested. `trials`: how many, with `seeds` seeds each; `failed` of them failed. Number
        `trial` was chosen; `settings`: its differences from the default. `default`: the recipe's own values of what was
        searched. `validation`: class mean on validation of the default and of the choice.
        """
        return self.extra.get("tuned")

    @property
    def shared_recipe(self) -> dict[str, Any]:
        """The recipe that a section shares: values that a search chose are replaced by "tuned"."""
        return {**self.setup.recipe, **dict.fromkeys((self.tuned or {}).get("default", ()), "tuned")}

    def __post_init__(self) -> None:
        """Check that status, error and stages agree."""
        if (self.status == "failed") != (self.error is not None):
            raise RecordError("a failed cell has an error, and only a failed cell")
        names = tuple(stage.name for stage in self.stages)
        expected = ("all",) if self.setup.protocol == "joint" else ("head", "tail")
        if self.status == "done" and names != expected:
            raise RecordError(f"a finished {self.setup.protocol} cell has the stages {expected}, not {names}")
