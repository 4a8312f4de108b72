"""From stored predictions to a cell's record."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from backbones.probe import Choice
from benchmarks.data.describe import telling
from benchmarks.data.split import unseen
from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.stages import Stage, rows_key
from benchmarks.planning.store import JobResult, Store
from benchmarks.records import confusions, probabilistic
from benchmarks.records.bits import pack_bits
from benchmarks.records.hits import AMONG_OWN_PART, among_own_part, hits, per_class
from benchmarks.records.metrics import from_probabilities
from benchmarks.records.record import Cost, Environment, Record, Setup, StageResult
from benchmarks.running.context import RunContext
from benchmarks.suites.suite import HOW_ONLY, Suite
from benchmarks.support.hardware import machine, versions
from strategies.base import Held, Outputs, Strategy
from strategies.combining.expression import parse
from strategies.posthoc.calibration import temperature

SHORT_HASH = 16  # hex digits of a weights file's sha256 that records keep


def score_stage(
    context: RunContext,
    stage: Stage,
    strategy: Strategy,
    results: Sequence[JobResult],
    companions: Sequence[Sequence[JobResult]] = (),
) -> tuple[StageResult, dict[str, Any]]:
    """Return a stage's scores, from the predictions of the last of its jobs, and what the strategy reports.

    `companions`: jobs of the other models that the strategy uses; their time counts, their throughput does not.
    """
    data, classes = stage.data, stage.facts.num_classes
    labels_N, checked_labels_N = stage.labels_N[data.test_rows], stage.labels_N[data.validation_rows]
    test, held = stage_outputs(context.store, [chain[-1].key for chain in (results, *companions)], checked_labels_N)
    logits_NC, checked_logits_NC = (strategy.predict(outputs, stage.facts).numpy() for outputs in (test, held))
    top1_N, top5_N = hits(logits_NC, labels_N, 1), hits(logits_NC, labels_N, 5)
    checked_N = hits(checked_logits_NC, checked_labels_N, 1)
    told = {
        **_report(context, stage, strategy, test, labels_N),
        "confusions": confusions.count(logits_NC, labels_N, top1_N),
    }
    if data.name == "all":
        own_N = among_own_part(logits_NC, labels_N, context.suite.head_classes)
        told[AMONG_OWN_PART] = pack_bits(own_N, labels_N)
    every = [result for chain in (results, *companions) for result in chain]
    seconds = sum(result.seconds for result in results)
    scored = StageResult(
        stage=data.stage,
        name=data.name,
        classes=stage.names,
        train_n=stage.facts.counts_C,
        validation_n=tuple(stage.counts(data.validation_rows).tolist()),
        test_n=tuple(stage.counts(data.test_rows).tolist()),
        top1_hits=per_class(top1_N, labels_N, classes),
        top5_hits=per_class(top5_N, labels_N, classes),
        validation_top1_hits=per_class(checked_N, checked_labels_N, classes),
        rows=len(data.test_rows),
        top1_bits=pack_bits(top1_N, labels_N),
        top5_bits=pack_bits(top5_N, labels_N),
        rows_key=rows_key(context.loaded, data.test_rows),
        jobs=tuple(result.key for result in every),
        epochs=sum(result.epochs for result in results),
        seconds=sum(result.seconds for result in every),
        img_per_s=sum(result.images for result in results) / seconds if seconds else 0.0,
        metrics=from_probabilities(logits_NC, labels_N, _temperature(checked_logits_NC, checked_labels_N)),
        reliability=_reliability(logits_NC, labels_N),
        losses=_per_epoch(results, "losses"),
        accuracies=_per_epoch(results, "accuracies"),
    )
    return scored, told


def _reliability(logits_NC: np.ndarray, labels_N: np.ndarray) -> tuple[tuple[int, float, int], ...]:
    """Return the test rows' confidence bins (reliability diagram); empty if a logit is not finite."""
    probabilities_NC = probabilistic.softmax(logits_NC) if len(labels_N) else None
    return () if probabilities_NC is None else probabilistic.reliability(probabilities_NC, labels_N)


def _per_epoch(results: Sequence[JobResult], name: Literal["losses", "accuracies"]) -> tuple[float, ...]:
    """Return a stage's values per epoch; empty if a job of an earlier version stored too few."""
    values = tuple(round(value, 6) for result in results for value in getattr(result, name))
    return values if len(values) == sum(result.epochs for result in results) else ()


def stage_outputs(store: Store, keys: Sequence[str], checked_labels_N: np.ndarray) -> tuple[Outputs, Outputs]:
    """Return the stored outputs of test and of validation rows: the first job's, with the others as companions."""
    stored = [store.predictions(key) for key in keys]
    test, held = ([_stored_outputs(arrays, rows) for arrays in stored] for rows in ("test", "validation"))
    if len(keys) == 1:
        return test[0], held[0]
    within = dataclasses.replace(held[0], companions=tuple(held[1:]))
    known = Held(within, checked_labels_N)
    return (
        dataclasses.replace(test[0], companions=tuple(test[1:]), held=known),
        dataclasses.replace(within, held=known),
    )


def _stored_outputs(stored: Mapping[str, np.ndarray], rows: str) -> Outputs:
    extra = {n.removeprefix(f"{rows}."): torch.from_numpy(a) for n, a in stored.items() if n.startswith(f"{rows}.")}
    return Outputs(torch.from_numpy(stored[rows]), torch.zeros(len(stored[rows]), 0), extra)


def _temperature(logits_NC: np.ndarray, labels_N: np.ndarray) -> float | None:
    """Return the temperature fitted to the validation rows; None without any, or if a logit is not finite."""
    return temperature(logits_NC, labels_N) if len(labels_N) and np.isfinite(logits_NC).all() else None


def _report(
    context: RunContext, stage: Stage, strategy: Strategy, test: Outputs, labels_N: np.ndarray
) -> dict[str, Any]:
    """Return what the strategy reports of a stage; if it reads names, also how many of them name the class."""
    told = strategy.report(test, labels_N, stage.facts)
    if "text" in strategy.needs and context.loaded.texts is not None:
        telling_C = telling(context.loaded, stage.data.test_rows)
        told = {**told, "names": {"telling": [int(telling_C[c]) for c in stage.data.classes]}}
    return told


def done_record(context: RunContext, plan: Plan, cell: Cell) -> Record:
    """Return the record of a cell whose jobs are all done."""
    strategy = parse(cell.strategy)
    chains, *companions = ([_trained(context, chain) for chain in chains] for chains in (cell.jobs, *cell.companions))
    scored = [
        score_stage(context, stage, strategy, chain, [companion[i] for companion in companions])
        for i, (stage, chain) in enumerate(zip(context.stages, chains, strict=True))
    ]
    extra: dict[str, Any] = {}
    for result, told in scored:
        for what, values in told.items():
            extra.setdefault(what, {})[result.name] = values
    first = plan.first_user
    every = [result for stages in (chains, *companions) for results in stages for result in results]
    blank = blank_record(context, cell)
    hardware = next((dict(r.hardware) for r in reversed(every) if r.hardware), machine(context.device.type))
    return dataclasses.replace(
        blank,
        status="done",
        error=None,
        stages=tuple(result for result, _ in scored),
        environment=dataclasses.replace(blank.environment, hardware=hardware),
        cost=Cost(
            seconds_alone=sum(result.seconds for result in every),
            seconds_marginal=sum((r.seconds for r in every if first.get(r.key) == cell), 0.0),
            peak_memory_bytes=max(result.peak_memory_bytes for result in every),
        ),
        notes=_pieces(every),
        extra={
            **extra,
            "job_epochs": {result.key: result.epochs for result in every},
        },
    )


def _pieces(results: Sequence[JobResult]) -> tuple[str, ...]:
    """Return a note if batches were split into micro-batches to fit into memory."""
    most = max(result.pieces for result in results)
    return (
        (f"Batches were trained in up to {most} pieces: a whole one did not fit into the GPU's memory.",)
        if most > 1
        else ()
    )


def blank_record(context: RunContext, cell: Cell, error: str = "it was not run") -> Record:
    """Return the record of a cell that failed with `error`; `done_record` fills in a finished cell's results."""
    return Record(
        suite=context.suite_of(cell.variant).name,
        backbone=cell.backbone,
        strategy=cell.strategy,
        seed=cell.seed,
        split=cell.split,
        key=cell.key,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        status="failed",
        error=error,
        setup=_setup(context, context.suite_of(cell.variant), cell.backbone),
        environment=_environment(context, context.choices[cell.backbone]),
        cost=Cost(0.0, 0.0, 0),
        stages=(),
    )


def _setup(context: RunContext, suite: Suite, backbone: str) -> Setup:
    classes, rows = unseen(context.loaded)
    return Setup(
        protocol=suite.protocol,
        dataset=suite.dataset,
        fingerprint=context.loaded.fingerprint,
        image_size=suite.recipe.image_size,
        recipe={
            **suite.recipe.model_dump(mode="json", exclude=set(HOW_ONLY)),
            "head_classes": suite.head_classes,
            "validation": suite.validation,
            **({"folds": suite.folds} if suite.folds else {}),
            **_first_weights(context, backbone),
        },
        unseen_classes=classes,
        unseen_rows=rows,
    )


def _environment(context: RunContext, choice: Choice) -> Environment:
    return Environment(
        layout=choice.layout,
        dtype=choice.dtype,
        threads=torch.get_num_threads(),
        device=context.device.type,
        versions=versions(),
        hardware=machine(context.device.type),
    )


def _first_weights(context: RunContext, backbone: str) -> dict[str, Any]:
    """Return the recipe's `weights` if they come from a file: where it was found, its name, the start of its hash."""
    first = context.first_weights.get(backbone)
    if first is None:
        return {}
    return {"weights": {"source": first.source, "file": first.path.name, "sha256": first.sha256[:SHORT_HASH]}}


def _trained(context: RunContext, chain: Sequence[str]) -> list[JobResult]:
    """Return the results of the jobs that trained a stage, in order, even if an earlier plan cut it elsewhere."""
    return context.store.history(chain[-1]) or [_result(context, key) for key in chain]


def _result(context: RunContext, key: str) -> JobResult:
    result = context.store.result(key)
    if result is None:
        raise RuntimeError(f"job {key} is not done")
    return result
