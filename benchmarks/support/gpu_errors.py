"""Which errors say that memory ran out, and which that this process can no longer use its GPU. Imports no torch."""

from __future__ import annotations

# Messages of torch's allocators, and of libraries that allocate memory themselves. cuBLAS reports "not initialized" if
# there is no memory for its handle.
_FULL = (
    "out of memory",
    "can't allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)
# A failed kernel leaves its error in the process's CUDA context, and every later call returns it again.
_LOST = ("CUDA error", "CUDA driver error", "CUDNN_STATUS_EXECUTION_FAILED", "CUBLAS_STATUS_EXECUTION_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the memory of the machine or of its GPU ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _FULL)


def device_lost(error: BaseException) -> bool:
    """Whether `error` may have left the process's CUDA context unusable, so that only a new process can continue.

    Some of these errors leave it usable; a new process is right for them too, and costs seconds.
    """
    named = type(error).__name__ == "AcceleratorError" or any(sign in str(error) for sign in _LOST)
    return isinstance(error, RuntimeError) and named and not out_of_memory(error)
