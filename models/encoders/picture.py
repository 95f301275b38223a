"""Pictures as vectors: a small thumbnail and where its edges run.

A picture is named by its place below the folder ``files`` beside the tables.
One that is not there, cannot be read, or is too large counts as missing.
"""

import warnings
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl

PACKAGE = "PIL"
SIDE = 64  # pixels of the square that is looked at
THUMBNAIL = 8  # pixels a side of the colours that are kept
CELLS, BEARINGS = 4, 8  # histograms of oriented gradients (Dalal & Triggs 2005): cells a side, directions in each
DIMENSIONS = 3 * THUMBNAIL**2 + CELLS**2 * BEARINGS
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")


def vectors_of_pictures(values: pl.Series, files: Path | None) -> np.ndarray:
    """(n, 320) colours and gradients in [0, 1]; NaN where there is no picture that can be read.

    Args:
        values: places of the pictures, relative to ``files``.
        files: the folder; without one no picture is there.
    """
    vectors = np.full((values.len(), DIMENSIONS), np.nan)
    for place, reference in enumerate(values):
        if reference and files is not None and (file := file_below(files, reference)):
            vectors[place] = _vector(file)
    return vectors


def file_below(folder: Path, reference: str) -> Path | None:
    """The file that a reference names; None when it leads out of the folder, is absolute, a URL, or not there."""
    steps = PurePosixPath(reference)
    if "\\" in reference or ":" in reference or "\0" in reference or steps.is_absolute() or ".." in steps.parts:
        return None
    try:
        file = (folder / steps).resolve(strict=True)  # follows links: where they lead counts
        is_inside = file.is_relative_to(folder.resolve()) and file.is_file()
        return file if is_inside and file.stat().st_size <= MOST_BYTES else None
    except (OSError, RuntimeError):
        return None


def _vector(file: Path) -> np.ndarray:
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(file, formats=FORMATS) as picture:
            warnings.simplefilter("ignore")  # of damaged pictures; a message may name the file
            if picture.width * picture.height > MOST_PIXELS:
                return np.full(DIMENSIONS, np.nan)
            square = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    except Exception:  # whatever is wrong with a file that came from outside: it is not there
        return np.full(DIMENSIONS, np.nan)
    pixels = np.asarray(square, dtype=float) / 255
    return np.concatenate([_colours(pixels), _gradients(pixels.mean(axis=2))])


def _colours(pixels: np.ndarray) -> np.ndarray:
    """(192,) mean colours of 8 × 8 fields."""
    field = SIDE // THUMBNAIL
    return pixels.reshape(THUMBNAIL, field, THUMBNAIL, field, 3).mean(axis=(1, 3)).ravel()


def _gradients(grey: np.ndarray) -> np.ndarray:
    """(128,) how steep it is in each cell and bearing, as shares of the picture."""
    down, right = np.gradient(grey)
    steepness, bearing = np.hypot(down, right), np.arctan2(down, right) % np.pi
    slot = np.minimum((bearing / np.pi * BEARINGS).astype(int), BEARINGS - 1)
    row, column = (np.indices(grey.shape) * CELLS) // SIDE
    histogram = np.bincount(
        ((row * CELLS + column) * BEARINGS + slot).ravel(), weights=steepness.ravel(), minlength=CELLS**2 * BEARINGS
    )
    return histogram / max(histogram.sum(), 1e-12)
