"""Suites: their schema, their TOML files, and which one a command means."""
