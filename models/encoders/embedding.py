"""Embeddings that came from elsewhere, held to one length."""

import numpy as np
import polars as pl


def vectors_of_embeddings(values: pl.Series, dimensions: int) -> np.ndarray:
    """(n, dimensions); NaN where an embedding is missing, of another length, or has a number that is not finite."""
    vectors = np.full((values.len(), max(dimensions, 1)), np.nan)
    fits = (values.list.len() == dimensions).fill_null(value=False)
    if dimensions and fits.any():
        vectors[fits.to_numpy()] = values.filter(fits).cast(pl.Array(pl.Float64, dimensions)).to_numpy()
    vectors[~np.isfinite(vectors).all(axis=1)] = np.nan
    return vectors


def usual_length(values: pl.Series) -> int:
    """How long most embeddings are, the longer of two lengths as frequent, as validation has it; 0 for none."""
    lengths = values.list.len().alias("length").drop_nulls().to_frame().group_by("length").len()
    return int(lengths.sort("len", "length", descending=True)["length"][0]) if lengths.height else 0
