"""Suites: dataset + protocol + recipe + default backbones, strategies and seeds, from one TOML file each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from backbones.errors import nearest
from benchmarks.support.errors import UserError, one_line
from strategies.space import Real, Space

SUITES = Path(__file__).parent
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1, le=100_000)]  # anything larger is a typo


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Epochs(_Frozen):
    """Epochs of each stage: `head` and `tail` of the two-stage protocol, `all` of the joint one."""

    head: Count = 1
    tail: Count = 1
    all: Count = 1


HOW_ONLY = frozenset({"cuda_graphs"})  # fields of a recipe that change no result


class Recipe(_Frozen):
    """How a stage is trained; the same for every strategy.

    `image_size` in pixels; `grow_from` pixels at the first epoch, growing to `image_size` over the first
    `grow_until` of the epochs; `learning_rate` is the peak; `warmup` the fraction of steps that rise to it;
    `tail_learning_rate` the peak of stage 2 where it differs; a step schedule multiplies the peak by `step_factor`
    at each of `steps_at`, fractions of the stage; `shift`, `zoom` fractions of the image's side,
    `rotate` degrees: the largest draw in either direction. `flip_test`: outputs are means over an image and its mirror.
    `tf32`: a GPU may round the inputs of float32 products to TensorFloat-32, which is faster and less precise.
    `cuda_graphs`: launch the network's GPU kernels as one graph; false launches them one by one. It affects only the
    speed, not the results, so it is not part of keys and records.
    `trains`: "classifier" freezes the backbone in both stages and trains on its stored features: those of each image
    and its mirror image, and of `views` - 1 more such pairs, shifted and zoomed.
    """

    image_size: Annotated[int, Field(ge=8, le=1024)]
    epochs: Epochs
    batch_size: Count = 64
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    tail_learning_rate: Annotated[float, Field(gt=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["one-cycle", "cosine", "constant", "step"] = "one-cycle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    flip: bool = True
    shift: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    grow_from: Annotated[int, Field(ge=8)] | None = None
    grow_until: Annotated[float, Field(gt=0, le=1)] = 0.6
    normalise: Literal["backbone", "none"] = "backbone"
    weights: Literal["none", "imagenet"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    tf32: bool = False
    cuda_graphs: bool = True
    steps_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    step_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    flip_test: bool = False
    trains: Literal["all", "classifier"] = "all"
    views: Annotated[int, Field(ge=1, le=100)] = 1

    @model_validator(mode="after")
    def _grows_upwards(self) -> Recipe:
        if self.grow_from is not None and self.grow_from > self.image_size:
            raise ValueError("grow_from must not exceed image_size")
        return self

    @property
    def frozen(self) -> bool:
        """Whether the classifier alone is trained, on stored features of the backbone."""
        return self.trains == "classifier"

    def stage_epochs(self, name: str) -> int:
        """Return the epochs of the stage called `name` (head, tail or all)."""
        return int(getattr(self.epochs, name))

    def peak(self, name: str) -> float:
        """Return the peak learning rate of the stage called `name`."""
        return self.tail_learning_rate if name == "tail" and self.tail_learning_rate else self.learning_rate

    def space(self) -> Space:
        """Return the search space of `tune` for every strategy: learning rate within a factor of 4, decay within 10.

        A recipe without weight decay stays without it.
        """
        rate, decay = self.learning_rate, self.weight_decay
        ranges = {"learning_rate": Real(rate / 4, rate * 4, log=True)}
        return {**ranges, "weight_decay": Real(decay / 10, decay * 10, log=True)} if decay else ranges

    def size_at(self, fraction: float) -> int:
        """Return the training image side in pixels (a multiple of 8) at a fraction of the stage's epochs."""
        if self.grow_from is None or fraction >= self.grow_until:
            return self.image_size
        size = self.grow_from + (self.image_size - self.grow_from) * fraction / self.grow_until
        return min(self.image_size, max(8, int(size) // 8 * 8))


class Suite(_Frozen):
    """One benchmark: what is run by `--all` and how.

    `seeds`: the number of seeds, counted from 0; 0: the fewer training rows, the more seeds. `head_classes`: 0 for as
    many as hold half of the training rows (see `planning/fit.py` for both). `split`: 0 for the data's own training and
    test rows, 1 and up for random ones (`--resample-splits`). `folds`: 0, or K for validation rows by K-fold
    cross-validation: each seed holds out another K-th of the training rows, even of classes that are too small for
    `validation`.
    """

    name: str
    title: str
    dataset: str
    protocol: Literal["two-stage", "joint"] = "two-stage"
    head_classes: Annotated[int, Field(ge=0)] = 20
    validation: Annotated[float, Field(ge=0, lt=0.9)] = 0.1
    backbones: tuple[str, ...]
    strategies: tuple[str, ...]
    seeds: Annotated[int, Field(ge=0)] = 1
    recipe: Recipe
    options: dict[str, int | float | str] = Field(default_factory=dict)
    split: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=0, le=20)] = 0

    @field_validator("backbones", "strategies")
    @classmethod
    def _not_empty(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or any(not n.strip() for n in names):
            raise ValueError("must name at least one, and no empty names")
        return names


def names() -> list[str]:
    """Return the names of the suites that come with the package."""
    return sorted(p.stem for p in SUITES.glob("*.toml"))


def load(name_or_file: str) -> Suite:
    """Return the suite of that name, or the one in that TOML file.

    Raises UserError in one sentence for an unknown name or a file that is not a valid suite.
    """
    path = _path(name_or_file)
    try:
        content = tomllib.loads(source(name_or_file))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"suite file {path} is not valid TOML: {error}.") from error
    if "split" in content:
        raise UserError(f"suite {path}: split is not for a suite file; ask for other splits by --resample-splits K.")
    return validate(content, path.stem, str(path))


def source(name_or_file: str) -> str:
    """Return the TOML of the suite of that name, or of that file. Raises UserError if it cannot be read."""
    path = _path(name_or_file)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read suite file {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"suite file {path} is not valid TOML: {error}.") from error


def _path(name_or_file: str) -> Path:
    """Return the file of a suite. Raises UserError for an unknown name."""
    path = Path(name_or_file)
    if path.suffix == ".toml":
        return path
    if name_or_file not in names():
        known = ", ".join(names())
        raise UserError(f"no suite {name_or_file!r}{nearest(name_or_file, names())}; there are {known}.")
    return SUITES / f"{name_or_file}.toml"


def validate(content: dict[str, Any], name: str, origin: str) -> Suite:
    """Return the suite that `content` describes; `origin` names it in the UserError raised where it does not fit."""
    try:
        return Suite.model_validate({"name": name, **content})
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        raise UserError(f"suite {origin}: {'; '.join(map(_problem, unknown_first))}.") from error


def _problem(one: Mapping[str, Any]) -> str:
    """Return what is wrong with one setting; for an unknown name, also the nearest known one."""
    *tables, leaf = one["loc"] or ("the suite",)
    where = one_line(".".join(map(str, one["loc"]))) or leaf
    if one["type"] != "extra_forbidden":
        return f"{where}: {one['msg'].lower()}"
    models: dict[tuple[int | str, ...], type[BaseModel]] = {("recipe",): Recipe, ("recipe", "epochs"): Epochs}
    return f"there is no setting {where!r}{nearest(str(leaf), models.get(tuple(tables), Suite).model_fields)}"
