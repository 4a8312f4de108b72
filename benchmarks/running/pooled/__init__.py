"""Training a plan's jobs with several workers: what local processes and Ray workers have in common."""
