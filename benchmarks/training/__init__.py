"""Train one job: batches, steps, checkpoints, predictions."""
