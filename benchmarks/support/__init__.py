"""Helpers that all packages use: errors, keys, disk space, locks, hardware and threads."""
