"""Draws keyed per sample, beside a plain generator's: the ratio in brackets is what independence of order costs.

Run with `tox -e bench`. One epoch of the real data's training rows, four draws per sample.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from backbones.seeds import seed_for
from benchmarks.support.keys import sample_uniforms

SAMPLES, DRAWS = 23_787, 4


@pytest.mark.benchmark(group="one epoch of draws")
def bench_keyed_draws(benchmark: BenchmarkFixture):
    samples_N = np.arange(SAMPLES)
    key = seed_for(0, 1, 0, "augment")
    assert benchmark(sample_uniforms, key, samples_N, DRAWS).shape == (SAMPLES, DRAWS)


@pytest.mark.benchmark(group="one epoch of draws")
def bench_plain_draws(benchmark: BenchmarkFixture):
    generator = np.random.default_rng(0)
    assert benchmark(generator.random, (SAMPLES, DRAWS)).shape == (SAMPLES, DRAWS)
