"""What may be called beyond chance, and which classes are named first."""

from __future__ import annotations

from benchmarks.records.stats import Difference
from benchmarks.tools.recommend.evidence import Evidence, OfClass


def of(name: str, value: float, test: int, p: float) -> OfClass:
    return OfClass(name, 10, test, Difference(value, value - 0.1, value + 0.1, p), p)


def test_one_test_row_proves_nothing_and_what_is_proven_comes_first() -> None:
    classes = (
        of("lucky", 1.0, 1, 0.0),
        of("gains", 0.3, 50, 0.01),
        of("maybe", 0.4, 50, 0.5),
        of("loses", -0.2, 9, 0.01),
    )
    evidence = Evidence(1, (), classes)
    assert [c.name for c in evidence.gains()] == ["gains", "lucky", "maybe"]
    assert [c.name for c in classes if c.real] == ["gains", "loses"]
    assert [c.name for c in evidence.losses()] == ["loses"]
