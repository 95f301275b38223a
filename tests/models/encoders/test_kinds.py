"""Embeddings, series and pictures: what is there becomes numbers, what is not is missing, and nothing fails."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from models.encoders.embedding import usual_length, vectors_of_embeddings
from models.encoders.picture import DIMENSIONS, file_below, vectors_of_pictures
from models.encoders.projection import Projection
from models.encoders.series import NUMBERS, numbers_of_series

NAN = math.nan


def test_an_embedding_of_another_length_or_with_a_hole_is_missing():
    values = pl.Series([[1.0, 2.0], None, [1.0], [1.0, None], [1.0, NAN], [math.inf, 1.0], [], [3.0, 4.0]])
    found = vectors_of_embeddings(values, usual_length(values))
    assert np.flatnonzero(np.isfinite(found).all(axis=1)).tolist() == [0, 7]
    assert found[7].tolist() == [3.0, 4.0]


def test_no_embedding_at_all_is_one_missing_number():
    none = pl.Series([None, None], dtype=pl.List(pl.Float64))
    assert np.isnan(vectors_of_embeddings(none, usual_length(none))).all()


def test_a_series_says_its_level_spread_slope_and_shape():
    rising = [2.0 * step + 1 for step in range(20)]
    (found,) = numbers_of_series(pl.Series([rising]))
    told = dict(zip(NUMBERS, found, strict=True))
    assert (told["mean"], told["slope"], told["values"]) == (20.0, pytest.approx(2.0), 20)
    assert told["sd"] == pytest.approx(np.std(rising))
    assert np.isfinite(found).all()


def test_gaps_in_a_series_are_passed_over_and_time_still_counts():
    gap = [2.0 * step if step % 3 else None for step in range(30)]
    (found,) = numbers_of_series(pl.Series([gap]))
    assert found[NUMBERS.index("slope")] == pytest.approx(2.0)
    assert found[NUMBERS.index("values")] == 20


@pytest.mark.parametrize("series", [None, [], [1.0, 2.0], [5.0] * 40, [None] * 40, [NAN, math.inf] * 20])
def test_a_series_that_says_nothing_is_missing(series):
    assert np.isnan(numbers_of_series(pl.Series([series], dtype=pl.List(pl.Float64)))).all()


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, good and bad, and something outside it."""
    root = tmp_path_factory.mktemp("data")
    files = root / "files"
    (files / "meals").mkdir(parents=True)
    stripes = np.zeros((50, 40, 3), dtype=np.uint8)
    stripes[:, ::8] = 255
    for name in ("meals/one.png", "meals/other.jpg", "../outside.png"):
        Image.fromarray(stripes).save(files / name)
    Image.fromarray(stripes[:, :, 0]).save(files / "grey.png")
    Image.new("1", (9000, 9000)).save(files / "huge.png")
    whole = (files / "meals" / "one.png").read_bytes()
    (files / "cut.png").write_bytes(whole[: len(whole) // 2])
    (files / "words.png").write_text("not a picture")
    (files / "empty.png").touch()
    (files / "link.png").symlink_to(root / "outside.png")
    (files / "inner.png").symlink_to(files / "grey.png")
    return files


BAD = [
    *("cut.png", "words.png", "empty.png", "huge.png", "none.png", "meals", "", "a" * 5000, "x\0y"),
    *("link.png", "../outside.png", "meals/../../outside.png", "/etc/passwd", "https://example.org/a.png"),
    *("file:///etc/passwd", "..\\outside.png", "C:\\a.png"),
]


def test_pictures_that_can_be_read_are_told_apart(album):
    found = vectors_of_pictures(pl.Series(["meals/one.png", "meals/other.jpg", "grey.png", "inner.png"]), album)
    assert found.shape == (4, DIMENSIONS)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert np.abs(found[0] - found[1]).mean() < 0.05  # the same picture, compressed
    assert np.array_equal(found[2], found[3])


@pytest.mark.parametrize("reference", BAD)
def test_what_is_no_picture_in_the_folder_is_missing(album, reference, caplog):
    assert np.isnan(vectors_of_pictures(pl.Series([reference]), album)).all()
    assert not caplog.records


@pytest.mark.parametrize("reference", BAD[9:])
def test_a_reference_never_leads_out_of_the_folder(album, reference):
    assert file_below(album, reference) is None


def test_without_the_folder_every_picture_is_missing():
    assert np.isnan(vectors_of_pictures(pl.Series(["meals/one.png"]), None)).all()


def test_a_projection_keeps_what_varies_most_in_units_of_its_spread():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 6)) * [9, 1, 1, 1, 1, 1]
    numbers = Projection.fit(vectors).apply(vectors)
    assert numbers.std(axis=0) == pytest.approx(1, abs=1e-4)
    assert abs(np.corrcoef(numbers[:, 0], vectors[:, 0])[0, 1]) > 0.99


def test_with_a_target_it_keeps_what_goes_with_the_target():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(300, 6)) * [9, 1, 1, 1, 1, 1]
    target = vectors[:, 3] + 0.1 * rng.normal(size=300)
    numbers = Projection.fit(vectors, target).apply(vectors)
    explained = np.corrcoef(numbers.T, target)[-1, :-1] ** 2  # the two do not correlate with each other
    assert explained.sum() > 0.9
