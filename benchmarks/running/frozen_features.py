"""The stored features that a plan's jobs read if only the classifier is trained. V views, N rows, F features."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from backbones.registry import parse as parse_backbone
from benchmarks.data.load import cache_folder
from benchmarks.planning.plan import NAMES, Plan
from benchmarks.running.context import RunContext
from benchmarks.running.session import Advance, Say, Session
from benchmarks.suites.suite import Recipe
from benchmarks.training.batching.feature_batches import AugmentedFeatures
from benchmarks.training.stored.augmented import AugmentedViews
from benchmarks.training.stored.extract import features_of, views_missing
from benchmarks.training.stored.views import StoredViews, Views
from strategies.base import Pipeline
from strategies.combining.expression import parse

Asked = tuple[str, int, Pipeline]  # backbone without classifier, stage, what a strategy's `augmentation` asks for


def with_features(session: Session, say: Say, advance: Advance) -> Session:
    """Return the session ready to run: if it trains only classifiers, with the stored features of its backbones.

    Features that are not cached are computed, which takes minutes; planning needs none. Features that the session
    already has are kept.
    """
    context, recipe = session.context, session.context.suite.recipe
    if not recipe.frozen:
        return session
    views, encoders = _views(recipe), _encoders(session.plan)

    def stored(encoder: str, views: StoredViews, what: str) -> np.ndarray:
        """Return the features [V, N, F]; `what` names them while they are computed."""
        first = context.first_weights.get(encoders[encoder])
        return features_of(
            context.loaded, encoder, first, views, device=context.device, folder=cache_folder() / "features", say=say,
            on_progress=functools.partial(advance, f"computing {what} of {encoder}"),
        )  # fmt: skip

    missing = encoders.keys() - context.features.keys()
    features = {**context.features, **{encoder: stored(encoder, views, "features") for encoder in sorted(missing)}}
    augmented = dict(context.augmented)
    for encoder, stage, pipeline in augmentations(session.plan, context):
        if (encoder, stage, pipeline) in augmented:
            continue
        more = AugmentedViews.of(context.stage(stage), pipeline, context.loaded.size, mirror=recipe.flip)
        augmented[encoder, stage, pipeline] = (
            AugmentedFeatures(stored(encoder, more, "augmented features"), more.rows_M, pipeline.share)
            if len(more.rows_M)
            else None
        )
    return dataclasses.replace(session, context=dataclasses.replace(context, features=features, augmented=augmented))


def views_to_compute(session: Session) -> dict[str, int]:
    """Return how many image views that the plan's jobs read are not stored yet, by backbone without classifier."""
    context, recipe = session.context, session.context.suite.recipe
    if not recipe.frozen:
        return {}
    encoders = _encoders(session.plan)
    asked: dict[str, list[StoredViews]] = {encoder: [_views(recipe)] for encoder in encoders}
    for encoder, stage, pipeline in augmentations(session.plan, context):
        more = AugmentedViews.of(context.stage(stage), pipeline, context.loaded.size, mirror=recipe.flip)
        asked[encoder] += [more] if len(more.rows_M) else []
    folder = cache_folder() / "features"
    missing = {
        encoder: views_missing(
            context.loaded, encoder, context.first_weights.get(encoders[encoder]), every, device=context.device,
            folder=folder,
        )
        for encoder, every in asked.items()
    }  # fmt: skip
    return {encoder: views for encoder, views in missing.items() if views}


def _views(recipe: Recipe) -> Views:
    return Views(draws=recipe.views, mirror=recipe.flip, shift=recipe.shift, zoom=recipe.zoom, rotate=recipe.rotate)


def _encoders(plan: Plan) -> dict[str, str]:
    """Return one of the plan's backbones for each backbone name without classifier."""
    return {parse_backbone(cell.backbone).backbone.name: cell.backbone for cell in plan.cells}


def augmentations(plan: Plan, context: RunContext) -> list[Asked]:
    """Return the distinct augmented views that the plan's jobs need, in job order."""
    asked: dict[Asked, None] = {}
    for job in plan.jobs.values():
        pipeline = parse(job.strategy).augmentation(context.stage(job.stage).facts)
        if pipeline is not None and job.backbone != NAMES:
            asked[parse_backbone(job.backbone).backbone.name, job.stage, pipeline] = None
    return list(asked)
