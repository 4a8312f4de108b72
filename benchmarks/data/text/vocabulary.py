"""Words -> numbers: a vocabulary from training rows only, and the names of all rows encoded with it.

Shapes: N rows, T words of a name. A stage's vocabulary starts with the previous stage's, with the same numbers, and
appends the new words of its own training rows, so that a later stage keeps the embeddings that an earlier one learnt.
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
    """The known words, numbered from 2; 0 is padding, 1 is every unknown word."""

    known: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of tokens, including padding and the unknown word."""
        return len(self.known) + 2

    def extended(self, texts: Sequence[Sequence[str]]) -> Vocabulary:
        """Return this vocabulary with the new words of `texts` appended, by frequency, then alphabetically."""
        counts = Counter(word for text in texts for word in text)
        new = sorted(counts.keys() - set(self.known), key=lambda word: (-counts[word], word))
        return Vocabulary((*self.known, *new))

    def encode(self, texts: Sequence[Sequence[str]], most: int = MOST_WORDS) -> np.ndarray:
        """Return int32 [N, T], padded at the end; T is the longest text's words, at most `most` (the rest is cut off).

        A text without words is one unknown word, so that no row is empty.
        """
        number = {word: index for index, word in enumerate(self.known, start=2)}
        longest = max((len(text) for text in texts), default=0)
        tokens_NT = np.full((len(texts), min(max(longest, 1), most)), PADDING, dtype=np.int32)
        for row_T, text in zip(tokens_NT, texts, strict=True):
            found = [number.get(word, UNKNOWN) for word in text[:most]] or [UNKNOWN]
            row_T[: len(found)] = found
        return tokens_NT
