"""Peak bfloat16 throughput of GPUs, by the name that torch gives. Imports no library."""

from __future__ import annotations

import re

# Dense bfloat16 TFLOP/s with float32 accumulation, from NVIDIA's data sheets and architecture papers, which often give
# the figure for sparse matrices, twice as high.
PEAK_TFLOPS = {
    "GB200": 2500, "B200": 2250, "GH200": 990, "H200": 989, "H200 NVL": 835, "H100": 989, "H100 PCIe": 756,
    "H100 NVL": 835, "A100": 312, "A800": 312, "A40": 149.7, "A30": 165, "A10": 125, "L40S": 362, "L40": 181, "L4": 121,
    "RTX A6000": 154.8, "RTX 6000 Ada": 364, "GeForce RTX 5090": 209.5, "GeForce RTX 4090": 165.2,
    "GeForce RTX 3090": 71,
}  # fmt: skip
# suffixes that do not change the peak; a slice of a card (MIG) or another edition (Ti, Laptop) is not in the table
_SAME_CARD = re.compile(r"([ -](SXM\d?|PCI[eE]|HBM\w*|\d+GB|Generation))*")


def bf16_peak(name: str) -> float | None:
    """Return the peak FLOP/s of the GPU called `name`; None if it is not in the table."""
    card = name.removeprefix("NVIDIA ")
    for known in sorted(PEAK_TFLOPS, key=len, reverse=True):
        if card.startswith(known) and _SAME_CARD.fullmatch(card[len(known) :]):
            return PEAK_TFLOPS[known] * 1e12
    return None
