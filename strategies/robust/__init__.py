"""Distributionally robust losses: they focus on the classes with the highest loss so far."""
