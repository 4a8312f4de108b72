"""Peaks are of whole cards that are in the table."""

from __future__ import annotations

import pytest

from benchmarks.support.gpu_peaks import bf16_peak


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA L40S", 362),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA A10G", None),
        ("Tesla T4", None),
    ],
)
def test_the_peak_is_that_of_the_whole_card_or_none(name: str, tflops: float | None) -> None:
    assert bf16_peak(name) == (tflops and tflops * 1e12)
