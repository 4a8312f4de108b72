"""Small real things for tests: a suite on the handwritten digits, and the session that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite, validate

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
            "image_size": 32,
            "batch_size": 32,
            "epochs": {"head": 2, "tail": 2, "all": 2},
            "precision": "float32",
            "shift": 0.1,
            **(recipe or {}),
        },
        **changes,
    }
    return validate(content, "digits-test", "test")


def digits_session(out: Path, suite: Suite | None = None, **request: Any) -> Session:
    """Return a session on the CPU that writes below `out`."""
    asked = Request(suite or digits_suite(), device="cpu", out=out, threads=1, **request)
    return open_session(asked, lambda line: None, lambda *progress: None)
