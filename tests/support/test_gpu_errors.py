"""Which errors mean full memory, and which a GPU that this process cannot use any more."""

from __future__ import annotations

import pytest
import torch

from benchmarks.support.gpu_errors import device_lost, out_of_memory

FULL = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
]
LOST = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]
OTHER = [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("CUDA error"), KeyError("out of memory")]


@pytest.mark.parametrize("error", FULL + LOST + OTHER, ids=str)
def test_an_error_means_full_memory_or_a_lost_gpu_or_neither(error: Exception) -> None:
    assert (out_of_memory(error), device_lost(error)) == (error in FULL, error in LOST)
