"""Words -> numbers: a vocabulary from training rows only, and the names of all rows as an array of its numbers.

Shapes: N rows, T words of a name. A stage's vocabulary is that of the stage before, number by number, with the new
words of its own training rows after it: so a later stage keeps what an earlier one learnt of a word.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

PADDING, UNKNOWN = 0, 1
MOST_WORDS = 24  # of a name; the longest real ones have some 15


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words that are known, from number 2 on; 0 is padding, 1 stands for every unknown word."""

    known: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many numbers there are, padding and the unknown word counted."""
        return len(self.known) + 2

    def extended(self, texts: Sequence[Sequence[str]]) -> Vocabulary:
        """Return this vocabulary and, after it, the words of `texts` that it lacks: by frequency, then A to Z."""
        counts = Counter(word for text in texts for word in text)
        new = sorted(counts.keys() - set(self.known), key=lambda word: (-counts[word], word))
        return Vocabulary((*self.known, *new))

    def encode(self, texts: Sequence[Sequence[str]], most: int = MOST_WORDS) -> np.ndarray:
        """Return int32 [N, T], padded at the end; T is the longest text's words, at most `most` (the rest is cut off).

        A text without words is one unknown word, so that every row has something to read.
        """
        number = {word: index for index, word in enumerate(self.known, start=2)}
        longest = max((len(text) for text in texts), default=0)
        tokens_NT = np.full((len(texts), min(max(longest, 1), most)), PADDING, dtype=np.int32)
        for row_T, text in zip(tokens_NT, texts, strict=True):
            found = [number.get(word, UNKNOWN) for word in text[:most]] or [UNKNOWN]
            row_T[: len(found)] = found
        return tokens_NT
