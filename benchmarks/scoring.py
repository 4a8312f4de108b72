"""Stored predictions -> what a cell's record says."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from benchmarks import metrics
from benchmarks.data.split import unseen
from benchmarks.hardware import hardware, versions
from benchmarks.job import Workshop
from benchmarks.plan import Cell, Plan
from benchmarks.protocol import Stage, rows_key
from benchmarks.records import Record, StageResult, pack_bits
from benchmarks.store import JobResult
from strategies.base import Outputs, Strategy
from strategies.expression import parse


def score_stage(shop: Workshop, stage: Stage, strategy: Strategy, results: Sequence[JobResult]) -> StageResult:
    """Return what one stage measured, from the predictions of the last of its jobs."""
    data, classes = stage.data, stage.facts.num_classes
    stored = shop.store.predictions(results[-1].key)
    labels_N = stage.labels_N[data.test_rows]
    logits_NC = _after_the_fact(strategy, stored, "test", stage)
    top1_N, top5_N = metrics.hits(logits_NC, labels_N, 1), metrics.hits(logits_NC, labels_N, 5)
    checked_N = metrics.hits(
        _after_the_fact(strategy, stored, "validation", stage), stage.labels_N[data.validation_rows], 1
    )
    seconds = sum(result.seconds for result in results)
    return StageResult(
        stage=data.stage,
        name=data.name,
        classes=stage.names,
        train_n=stage.facts.counts_C,
        validation_n=tuple(stage.counts(data.validation_rows).tolist()),
        test_n=tuple(stage.counts(data.test_rows).tolist()),
        top1_hits=metrics.per_class(top1_N, labels_N, classes),
        top5_hits=metrics.per_class(top5_N, labels_N, classes),
        validation_top1_hits=metrics.per_class(checked_N, stage.labels_N[data.validation_rows], classes),
        rows=len(data.test_rows),
        top1_bits=pack_bits(top1_N, labels_N),
        top5_bits=pack_bits(top5_N, labels_N),
        rows_key=rows_key(shop.loaded, data.test_rows),
        jobs=tuple(result.key for result in results),
        epochs=sum(result.epochs for result in results),
        seconds=seconds,
        img_per_s=sum(result.images for result in results) / seconds if seconds else 0.0,
    )


def _after_the_fact(strategy: Strategy, stored: Mapping[str, np.ndarray], rows: str, stage: Stage) -> np.ndarray:
    """Return the logits [N, C] that are scored, of the stored rows called `rows`."""
    logits_NC = stored[rows]
    if not strategy.acts_in(stage.data.stage):
        return logits_NC
    extra = {n.removeprefix(f"{rows}."): torch.from_numpy(a) for n, a in stored.items() if n.startswith(f"{rows}.")}
    outputs = Outputs(torch.from_numpy(logits_NC), torch.zeros(len(logits_NC), 0), extra)
    return strategy.predict(outputs, stage.facts).numpy()


def done_record(shop: Workshop, plan: Plan, cell: Cell) -> Record:
    """Return the record of a cell all of whose jobs are done."""
    strategy = parse(cell.strategy)
    chains = [[_result(shop, key) for key in chain] for chain in cell.jobs]
    stages = tuple(score_stage(shop, stage, strategy, chain) for stage, chain in zip(shop.stages, chains, strict=True))
    first = plan.first_user()
    every = [result for chain in chains for result in chain]
    return dataclasses.replace(
        blank_record(shop, cell),
        status="done",
        error=None,
        stages=stages,
        seconds_alone=sum(result.seconds for result in every),
        seconds_marginal=sum((r.seconds for r in every if first[r.key] == cell), 0.0),
        peak_memory_bytes=max(result.peak_memory_bytes for result in every),
        notes=_pieces(every),
    )


def _pieces(results: Sequence[JobResult]) -> tuple[str, ...]:
    """Say where a batch did not fit the memory whole."""
    most = max(result.pieces for result in results)
    return (f"Batches were trained in up to {most} pieces: the GPU had no room for them whole.",) if most > 1 else ()


def blank_record(shop: Workshop, cell: Cell, error: str = "it was not run") -> Record:
    """Return the record of a cell that failed with `error`; `done_record` fills in the rest where it did not."""
    suite, choice = shop.suite, shop.choices[cell.backbone]
    classes, rows = unseen(shop.loaded)
    return Record(
        suite=suite.name,
        protocol=suite.protocol,
        dataset=suite.dataset,
        fingerprint=shop.loaded.fingerprint,
        image_size=suite.recipe.image_size,
        backbone=cell.backbone,
        strategy=cell.strategy,
        seed=cell.seed,
        status="failed",
        error=error,
        stages=(),
        unseen_classes=classes,
        unseen_rows=rows,
        recipe={
            **suite.recipe.model_dump(mode="json"),
            "head_classes": suite.head_classes,
            "validation": suite.validation,
        },
        layout=choice.layout,
        dtype=choice.dtype,
        threads=torch.get_num_threads(),
        device=shop.device.type,
        seconds_alone=0.0,
        seconds_marginal=0.0,
        peak_memory_bytes=0,
        versions=versions(),
        hardware=machine(shop.device),
        key=cell.key,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def machine(device: torch.device) -> dict[str, str | int]:
    """Return what a record says of the machine that this process runs on."""
    return {**hardware(device.type), "cores": os.cpu_count() or 1}


def _result(shop: Workshop, key: str) -> JobResult:
    result = shop.store.result(key)
    if result is None:
        raise RuntimeError(f"job {key} is not done")
    return result
