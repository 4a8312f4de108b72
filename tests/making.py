"""Small real things for tests: a suite on the handwritten digits, and the session that runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.planning.history import Segment
from benchmarks.planning.plan import Job
from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite, validate
from benchmarks.support.threads import use_threads
from strategies.base import Phase

# timm's own model for tests: a ResNet of 0.5 M parameters.
BACKBONE = "test_resnet"


def digits_suite(recipe: Mapping[str, Any] | None = None, **changes: Any) -> Suite:
    """Return a suite that trains on the digits in about a second a cell."""
    content = {
        "title": "test",
        "dataset": "digits",
        "head_classes": 5,
        "validation": 0.2,
        "backbones": [BACKBONE],
        "strategies": ["none"],
        "recipe": {
            "image_size": 16,
            "batch_size": 32,
            "epochs": {"head": 2, "tail": 2, "all": 2},
            "precision": "float32",
            "shift": 0.1,
            **(recipe or {}),
        },
        **changes,
    }
    return validate(content, "digits-test", "test")


def plain_job(key: str, backbone: str = BACKBONE, strategy: str = "none", **changes: Any) -> Job:
    """Return a job of one epoch of stage 1 that is in no plan."""
    segment = Segment(Phase(0, changes.pop("epochs", 1)), strategy, identity="")
    return Job(key, backbone, stage=1, seed=0, segment=segment, **changes)


def with_phase(job: Job, **changes: Any) -> Job:
    """Return the job with another phase."""
    segment = dataclasses.replace(job.segment, phase=dataclasses.replace(job.segment.phase, **changes))
    return dataclasses.replace(job, segment=segment)


def digits_session(out: Path, suite: Suite | None = None, **request: Any) -> Session:
    """Return a session on the CPU that writes below `out`."""
    use_threads(1)
    asked = Request(suite=suite or digits_suite(), device="cpu", out=out, **request)
    return open_session(asked, lambda line: None, lambda *progress: None)
