"""Names are inert, numbers are the same on every machine, the best is marked."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmarks.leaderboard.markdown import escape, mark_best, number, table

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cells(text: str) -> list[str]:
    """Render a one-column table and return what stands in its body, tags and all."""
    html = GITHUB.render(table(["name"], [[escape(text), "last"]]))
    return [part.split("</td>")[0] for part in html.split('<td style="text-align:left">')[1:]]


@given(
    st.text(alphabet=st.sampled_from("ab \\`*_{}[]()#+-.!|<>&;~$@:/\n\t\u202e\0=^\"'1") | st.characters(), max_size=30)
)
@example("<script>|*x*")
@example("[x](javascript:alert(1))")
@example("<!-- ")
@example("a|b\\|c\\")
@example("&lt;b&gt; &#124;")
@example("~~x~~ __y__ `z`")
@example("1. x\n# y\n\n---")
def test_any_name_is_inert_text_in_its_cell(text):
    shown, last = cells(text)
    assert last == "last"
    assert "<" not in shown
    visible = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "(empty)"
    unescaped = shown
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        unescaped = unescaped.replace(entity, character)
    assert unescaped == visible


@pytest.mark.parametrize(
    "text", ["https://evil.example", "www.evil.example", "WWW.Evil.example", "me@evil.example", "$x$"]
)
def test_what_github_turns_into_links_or_formulas_is_broken_up(text):
    assert not any(pattern in escape(text).lower() for pattern in ("://", "www.", "@", "$"))


def test_everyday_names_stay_readable():
    for name in ("loss-weights(scheme=inverse)+oversample", "resnet50:mlp2", "Kurta Sets", "deferred(k=0.5,x=-1)"):
        assert escape(name) == name


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (0.12345, 3, False, "0.123"), (-0.0001, 3, True, "0.000"), (-0.0001, 3, False, "0.000"), (0.0, 2, True, "0.00"),
        (0.5, 2, True, "+0.50"), (-0.5, 2, True, "-0.50"), (math.nan, 3, True, "–"), (12345.6, 0, False, "12,346"),
        (0.1 + 0.2 - 0.3, 3, True, "0.000"), (1.0, 3, False, "1.000"),
    ],
)  # fmt: skip
def test_numbers(value, digits, signed, text):
    assert number(value, digits, signed) == text


def test_the_last_bits_of_a_sum_change_no_table():
    assert number(0.0625 + 1e-16, 3) == number(0.0625, 3) == number(0.0625 - 1e-16, 3)


def test_best_is_marked_with_ties_as_they_are_written():
    marked = ["0.5", "**0.9**", "**0.9**", "–"]
    assert mark_best([0.5, 0.90001, 0.9, math.nan], ["0.5", "0.9", "0.9", "–"]) == marked
    assert mark_best([3.0, 2.0, 2.0, 9.0], ["3", "2", "2", "9"], lowest=True) == ["3", "**2**", "**2**", "9"]
    for values in ([0.9, 0.90001], [0.9, math.nan], [math.nan, math.nan]):
        texts = [number(value, 1) for value in values]
        assert mark_best(values, texts) == texts
