"""What fuzzed readers share: how many examples, JSON that nobody meant, and one sentence as the only error."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# few in every run of the tests; `tox -e soak` asks for 2,000
fuzz = settings(
    max_examples=int(os.environ.get("BENCHMARKS_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3))


@contextlib.contextmanager
def refused_or_read(kind: type[Exception]) -> Iterator[None]:
    """Let the block end, or raise the documented error with one sentence, and nothing else."""
    said = None
    try:
        yield
    except kind as error:
        said = str(error)
    assert said is None or ("\n" not in said and len(said) < 2000)


@st.composite
def spoilt(draw: st.DrawFn, *wholes: Any) -> Any:
    """Return one of these JSON values with something else in one or two places."""
    content = json.loads(json.dumps(draw(st.sampled_from(wholes))))
    for _ in range(draw(st.integers(1, 2))):
        at: Any = content
        while True:
            place = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if isinstance(at[place], dict | list) and at[place] and draw(st.booleans()):
                at = at[place]
                continue
            at[place] = draw(JSON)
            break
    return content


def json_files(*wholes: Any) -> st.SearchStrategy[bytes]:
    """Return files that are no JSON, any JSON, or one of these values spoilt."""
    return st.binary(max_size=40) | (JSON | spoilt(*wholes)).map(lambda value: json.dumps(value).encode())
