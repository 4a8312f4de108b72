"""Tools that inspect, verify and clean up the results of runs."""
