"""What only a GPU needs: how it computes in float32, and how its kernels are launched."""
