"""GPU only: float32 arithmetic (TF32) and CUDA graphs."""
