"""Product names as words, and which words name the class. Accepts text in any script and of any length."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")
_INSIDE = re.compile(r"['’`´]|(?<=\b[^\W\d_])-(?=[^\W_])")  # men's -> mens, T-shirt -> tshirt
_PLURALS = (
    (re.compile(r"(?<=[ae][lr])ves$"), "f"),  # scarves, shelves; gloves and sleeves keep their v
    (re.compile(r"(?<=[^\W\d_]{2})ies$"), "y"),
    (re.compile(r"(?<=ch|sh|ss)es$|(?<=[xz])es$"), ""),
    (re.compile(r"(?<=[^\W\d_]{2})(?<!s)s$"), ""),
)


def words(text: str) -> list[str]:
    """Return the lower-cased words of a name in order: runs of letters and digits of any script.

    Apostrophes and a hyphen after a single letter are removed ("T-Shirt" is "tshirt"); other hyphens separate words.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_INSIDE.sub("", plain))


@functools.lru_cache(maxsize=2**16)  # names repeat their words: 44 k photographs have 314 k words and 9 k different
def stem(word: str) -> str:
    """Return a word without its English plural: "watches" -> "watch", "shoes" -> "shoe", "accessories" -> "accessory".

    Uses rules, not a dictionary, which is enough to find a class name in a product name.
    """
    for pattern, instead in _PLURALS:
        shorter = pattern.sub(instead, word)
        if shorter != word:
            return shorter
    return word


def class_words(class_names: Iterable[str]) -> frozenset[str]:
    """Return the stems of all the words of these classes' names."""
    return frozenset(stem(word) for name in class_names for word in words(name))


def names_class(text: str, class_name: str) -> bool:
    """Whether a product's name contains every word of a class's name, in singular or plural and in any order."""
    wanted = _stems(class_name)
    return bool(wanted) and wanted <= {stem(word) for word in words(text)}


@functools.lru_cache(maxsize=2**12)
def _stems(class_name: str) -> frozenset[str]:
    """Return the stems of a class's name, which is compared with the names of all its rows."""
    return class_words([class_name])


def without(text: str, stems: frozenset[str]) -> list[str]:
    """Return the words of a name except those with one of these stems."""
    return [word for word in words(text) if stem(word) not in stems]
