"""Run a plan: jobs, cells, attempts and the processes that train."""
