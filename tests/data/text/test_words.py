"""Names as words and numbers: any text is taken, and nothing is learnt from rows that do not train."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.text.vocabulary import MOST_WORDS, PADDING, UNKNOWN, Vocabulary
from benchmarks.data.text.words import class_words, names_class, stem, without, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nike Men's Blue T-Shirt", ["nike", "mens", "blue", "tshirt"]),
        ("Black-Silver V-neck, 3/4", ["black", "silver", "vneck", "3", "4"]),
        ("  \t—–!?__ ", []),
        ("", []),
        ("Été 日本 ΟΔΟΣ Straße", ["été", "日本", "οδοσ", "strasse"]),
        ("\ufb01t \uff21\uff22", ["fit", "ab"]),  # a ligature and full-width letters
    ],
)
def test_words_are_lower_case_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=200))
def test_any_text_gives_words_that_are_words_again(text: str) -> None:
    found = words(text)
    assert all(found)
    assert not {" ", "_", "-", ","} & set("".join(found))
    assert [stem(word) for word in found] == [stem(word) for word in found if stem(word)]


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("watches", "watch"), ("shoes", "shoe"), ("dresses", "dress"), ("accessories", "accessory"),
        ("gloves", "glove"), ("scarves", "scarf"), ("tshirts", "tshirt"), ("kurtis", "kurti"), ("boxes", "box"),
    ],
)  # fmt: skip
def test_a_plural_has_the_stem_of_its_singular(plural: str, singular: str) -> None:
    assert stem(plural) == stem(singular) == singular


def test_a_name_tells_its_class_where_it_has_all_of_its_words() -> None:
    assert names_class("Puma Men Polo T-shirt", "Tshirts")
    assert names_class("Shoe, casual, brown", "Casual Shoes")
    assert not names_class("Brown Shoe", "Casual Shoes")
    assert not names_class("Navy Shirt", "Tshirts"), "a part of a word is not the word"
    assert not names_class("", "Ties")
    assert not names_class("anything", "---"), "a class without words is told by no name"


def test_masking_takes_the_words_of_every_class_and_nothing_else() -> None:
    stems = class_words(["Casual Shoes", "Watches"])
    assert without("Casio Dial Watch", stems) == ["casio", "dial"]
    assert without("Casual Friday Shoes", stems) == ["friday"]
    assert without("Watch", stems) == []


def test_a_vocabulary_knows_words_by_frequency_and_grows_without_renumbering() -> None:
    first = Vocabulary().extended([["b", "a"], ["b", "c"], []])
    assert first.known == ("b", "a", "c")
    grown = first.extended([["a", "e", "d"], ["e"]])
    assert grown.known == ("b", "a", "c", "e", "d")
    assert len(grown) == 7


def test_names_become_padded_numbers_cut_at_the_cap() -> None:
    vocabulary = Vocabulary(("shirt", "blue"))
    tokens_NT = vocabulary.encode([["blue", "shirt", "odd"], [], ["odd"]])
    assert tokens_NT.dtype == np.int32
    assert tokens_NT.tolist() == [[3, 2, UNKNOWN], [UNKNOWN, PADDING, PADDING], [UNKNOWN, PADDING, PADDING]]
    long = vocabulary.encode([["blue"] * 10_000, ["shirt"]])
    assert long.shape == (2, MOST_WORDS)
    assert (long[0] == 3).all()
    assert vocabulary.encode([]).shape == (0, 1)


@given(st.lists(st.text(max_size=60), max_size=8), st.lists(st.text(max_size=60), max_size=8))
def test_every_row_has_something_to_read_and_padding_only_at_the_end(known: list[str], asked: list[str]) -> None:
    vocabulary = Vocabulary().extended([words(text) for text in known])
    tokens_NT = vocabulary.encode([words(text) for text in asked])
    assert ((tokens_NT >= 0) & (tokens_NT < len(vocabulary))).all()
    for row_T, text in zip(tokens_NT, asked, strict=True):
        length = max(1, min(len(words(text)), MOST_WORDS))
        assert (row_T[:length] != PADDING).all()
        assert (row_T[length:] == PADDING).all()
