"""Budgets as people type them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.support.errors import UserError
from benchmarks.support.words import duration
from benchmarks.tools.recommend.budget import seconds_of


@settings(max_examples=30)
@given(hours=st.integers(0, 99), minutes=st.integers(0, 999), seconds=st.integers(0, 9999))
def test_parts_add_up_in_any_case(hours: int, minutes: int, seconds: int) -> None:
    parts = [f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if n]
    total = hours * 3600 + minutes * 60 + seconds
    if total:
        assert seconds_of(" ".join(["", "".join(parts).upper()])) == total


@settings(max_examples=50)
@given(st.text(alphabet="0123456789.hms -e", max_size=8) | st.text(max_size=8))
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    if re.fullmatch(r"(?=\d)(\d+(\.\d*)?h)?(\d+(\.\d*)?m)?(\d+(\.\d*)?s)?", text.strip().lower(), re.ASCII):
        return
    with pytest.raises(UserError, match=r"\A--budget [^\n]*\.\Z"):
        seconds_of(text)


@pytest.mark.parametrize("text", ["", "30", "m", "-5m", "0s", "1e3s", "nan", "3m2h", "1.2.3m", "9999999h"])
def test_examples_that_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        seconds_of(text)


def test_seconds_are_shown_in_a_unit_that_suits_them() -> None:
    assert [duration(s) for s in (45, 89, 90, 1800, 5400, 9000)] == [
        "45 s",
        "89 s",
        "2 min",
        "30 min",
        "1.5 h",
        "2.5 h",
    ]
