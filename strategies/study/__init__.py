"""The study's strategies."""
