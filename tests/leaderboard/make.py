"""Synthetic records of realistic shape; they live in tests only."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.leaderboard import published
from benchmarks.records import storage
from benchmarks.records.bits import pack_bits
from benchmarks.records.hits import per_class
from benchmarks.records.record import Cost, Environment, Record, Setup, StageResult

STRATEGIES = ("none", "loss-weights(scheme=inverse)", "oversample", "oversample+minority-augment", "balanced-softmax")


def stage_result(
    name: str = "all",
    train_n: tuple[int, ...] = (300, 50, 5),
    test_n: tuple[int, ...] = (30, 8, 2),
    accuracy: float = 0.7,
    seed: int = 0,
    classes: tuple[str, ...] | None = None,
    hits_N: np.ndarray | None = None,
) -> StageResult:
    """Return a stage whose rare classes are harder; `hits_N` (class by class) fixes the top-1 hits instead."""
    labels_N = np.repeat(np.arange(len(test_n)), test_n)
    draws = np.random.default_rng(seed)
    ease_C = np.log1p(train_n) / np.log1p(max(train_n))
    if hits_N is None:
        hits_N = draws.random(len(labels_N)) < accuracy * ease_C[labels_N]
    top5_N = hits_N | (draws.random(len(labels_N)) < 0.8)
    count = lambda mask_N: per_class(mask_N, labels_N, len(test_n))  # noqa: E731
    return StageResult(
        stage=2 if name == "tail" else 1,
        name=name,
        classes=classes or tuple(f"{name} {c}" for c in range(len(test_n))),
        train_n=train_n,
        validation_n=(0,) * len(test_n),
        test_n=test_n,
        top1_hits=count(hits_N),
        top5_hits=count(top5_N),
        validation_top1_hits=(0,) * len(test_n),
        rows=len(labels_N),
        top1_bits=pack_bits(hits_N, labels_N),
        top5_bits=pack_bits(top5_N, labels_N),
        rows_key=f"rows of {name}",
        jobs=("job",),
        epochs=4,
        seconds=12.5,
        img_per_s=480.0,
    )


def record(stages: tuple[StageResult, ...] | None = None, **changes: object) -> Record:
    """Return a finished record, of the joint protocol where one stage is given.

    `changes` are fields of `Record` or of its parts (`dataset=...` changes the setup).
    """
    stages = (stage_result("head"), stage_result("tail")) if stages is None else stages
    plain = Record(
        suite="toy",
        backbone="resnet10t",
        strategy="none",
        seed=0,
        key="abc",
        made="2025-01-02T03:04:05Z",
        status="done",
        error=None,
        setup=Setup(
            protocol="joint" if len(stages) == 1 else "two-stage",
            dataset="toys",
            fingerprint="f00d",
            image_size=64,
            recipe={"learning_rate": 0.1, "epochs": {"head": 8, "tail": 12}},
            unseen_classes=2,
            unseen_rows=11,
        ),
        environment=Environment(
            layout="channels_last",
            dtype="bfloat16",
            threads=2,
            device="cpu",
            versions={"torch": "2.15"},
            hardware={"cpu": "Some CPU @ 2 GHz", "cores": 2},
        ),
        cost=Cost(seconds_alone=600.0, seconds_marginal=240.0, peak_memory_bytes=2**30),
        stages=stages,
    )
    return change(plain, **changes)


def change(one: Record, **changes: object) -> Record:
    """Return the record with other fields, its own or those of its parts."""
    for part in ("setup", "environment", "cost"):
        names = {field.name for field in dataclasses.fields(getattr(one, part))} & set(changes)
        new = dataclasses.replace(getattr(one, part), **{name: changes.pop(name) for name in names})
        changes = {part: new, **changes}
    return dataclasses.replace(one, **changes)


def schema_1(one: Record) -> dict[str, object]:
    """Return the content of the record's file, without the checksum, as schema 1 had it."""
    content = dataclasses.asdict(one)
    flat = {name: value for part in ("setup", "environment", "cost") for name, value in content.pop(part).items()}
    for stage in content["stages"]:
        for name in ("metrics", "reliability", "losses", "accuracies"):
            del stage[name]
    return {**content, **flat, "schema": 1}


def failed(**changes: object) -> Record:
    """Return the record of a cell that failed."""
    return record(**{"status": "failed", "error": "out of memory", **changes})


def fashion(backbone: str, strategy: str, seed: int, gain: float = 0.0) -> Record:
    """Return a record of the shape of the study: 20 head and 88 tail classes, 14,039 and 4,173 test rows or near."""
    tables = published.tables()
    head = (*tables["head"], "Sarees", "Flats")
    tail = (*tables["tail"], *(f"Rare {k}" for k in range(28)))
    head_train = tuple(int(2700 * 0.9**c) for c in range(20))
    tail_train = tuple(max(1, int(300 * 0.95**c)) for c in range(88))
    head_test = tuple(0 if name == "Sarees" else 739 for name in head)
    tail_test = tuple(0 if c % 5 == 4 else max(1, int(290 * 0.94**c)) for c in range(88))
    code = seed + 1000 * (1 + STRATEGIES.index(strategy)) + (7 if backbone == "resnet10t" else 0)
    stages = (
        stage_result("head", head_train, head_test, 0.9 + gain / 5, code, head),
        stage_result("tail", tail_train, tail_test, 0.8 + gain, code + 1, tail),
    )
    names = {"suite": "fashion-small", "dataset": "fashion", "backbone": backbone, "strategy": strategy, "seed": seed}
    return record(stages, **names)


def write_fashion(out: Path, seeds: int = 3) -> list[Record]:
    """Write 2 backbones x 5 strategies x `seeds` records below `out`."""
    made = [
        fashion(backbone, strategy, seed, gain=0.03 * position)
        for backbone in ("resnet10t", "resnet50:mlp2")
        for position, strategy in enumerate(STRATEGIES)
        for seed in range(seeds)
    ]
    for one in made:
        storage.write(one, out)
    return made
