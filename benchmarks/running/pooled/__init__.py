"""Several workers train a plan's jobs: what is common to processes of this machine and to Ray's workers."""
