"""Benchmark suite for strategies against class imbalance. The API's functions are imported on first use."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would be most of the time in which an interrupt still ends in a traceback
if TYPE_CHECKING:
    from typing import Any

    from benchmarks.api import load_frames, load_records, plan, predict, register, run

__version__ = "0.1.0"
__all__ = ["__version__", "load_frames", "load_records", "plan", "predict", "register", "run"]


def __getattr__(name: str) -> Any:
    """Return a function of the API; importing the package alone stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from benchmarks import api

    return getattr(api, name)
