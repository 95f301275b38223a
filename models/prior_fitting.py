"""A prior of the belief fitted on what the fitting patients answered before the cut; on nobody else's answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoostRegressor

from models.belief import RANK
from models.contents import ContentArrays
from models.features import PLACE, Features
from models.prior import Prior
from models.split import drawn, split_at
from models.targets import target_rows
from posology.blocks import Block
from posology.tables import Tables
from posology.therapy import Therapy

MOST_SESSIONS = 200_000  # of all patients; what the fitting ones answered until the cut is some third
LEAST_PATIENTS = 100  # below which contents are believed to be alike as models.belief has it
# Slow and drawn to nothing where answers are few: what it learns by heart of the fitting patients it tells of no other.
USUAL: dict[str, Any] = {"iterations": 150, "depth": 5, "learning_rate": 0.08, "l2_leaf_reg": 50, "random_seed": 7}
OF_ANSWERS = ("feedback", "answer", "_above_best")  # in the names of the features answers have a part in
ROUNDS = 25  # of expectation and maximisation
SHRINKAGE = 400.0  # answers to a content that count as much as its likeness to the others
DIGITS = 6  # the last bits of a product depend on the processor
VALUE, USER = "value", "user_id"


@dataclass(frozen=True)
class SampledAnswers:
    """Called with a block: ``user_id``, ``value`` and the features of what its fitting patients answered.

    Attributes:
        as_of: when the data of all patients end.
        cut: the last moment of the past.
        share: of the fitting patients, drawn by a digest of their ids.
    """

    as_of: datetime | None
    cut: datetime | None
    share: float

    def __call__(self, block: Block) -> dict[str, pl.DataFrame]:
        tables = Tables.conform(block.therapy, block.read())
        return {"answers": self.of(block.therapy, tables)}

    def of(self, therapy: Therapy, tables: Tables) -> pl.DataFrame:
        """The same of tables."""
        features = Features(therapy, ContentArrays(therapy, tables.contents))
        rows = split_at(target_rows(therapy, tables, "feedback", as_of=self.as_of), self.cut)
        heard = [user_id for user_id in rows["user_id"].unique() if drawn(f"prior {user_id}") < self.share]
        silence = features.contents.catalogue.silence
        answered = rows.filter(pl.col("part") == "fit", pl.col("user_id").is_in(heard), pl.col("target") != silence)
        matrix = features.of_given(tables, answered["session"].to_numpy())
        columns = pl.DataFrame(matrix, schema=list(features.names), orient="row")
        return answered.select(USER, value="target").hstack(columns.select(*_usual_names(features.names)))


def _usual_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The features that no answer has a part in."""
    return tuple(name for name in names if not any(part in name for part in OF_ANSWERS))


def fit_prior(contents: ContentArrays, answers: pl.DataFrame) -> Prior | None:
    """The usual F by boosted trees, and of what is left the loadings.

    The fewer answers there are, the more both are drawn to what needs none: to
    the mean, and to the contents' likeness of ``models.belief``.

    Args:
        contents: of the therapy.
        answers: of all blocks, see ``SampledAnswers``.

    Returns:
        None where there are too few patients, or all answer alike.
    """
    patients = answers[USER].n_unique()
    if patients < LEAST_PATIENTS or answers[VALUE].n_unique() < 2:
        return None
    names = tuple(answers.columns[2:])
    matrix, value = answers.select(names).to_numpy(), answers[VALUE].to_numpy()
    usual = CatBoostRegressor(**USUAL, allow_writing_files=False, verbose=False).fit(matrix, value)
    patient = answers[USER].rank("dense").to_numpy().astype(int) - 1
    place = answers[PLACE].to_numpy().astype(int)
    loadings, noise = loadings_of(value - usual.predict(matrix), patient, place, contents.catalogue.loadings)
    ids = tuple(contents.table["content_id"])
    return Prior(usual, names, ids, loadings.round(DIGITS) + 0.0, round(noise, DIGITS))


@dataclass(frozen=True)
class _Seen:
    """What the answers come to: ``count`` and ``total`` (n_patients, n_contents), and the sum of ``squares``."""

    count: np.ndarray
    total: np.ndarray
    squares: float

    @classmethod
    def of(cls, above: np.ndarray, patient: np.ndarray, place: np.ndarray, n_contents: int) -> "_Seen":
        shape = (int(patient.max()) + 1, n_contents)
        cell, size = patient * n_contents + place, shape[0] * shape[1]
        count, total = np.bincount(cell, minlength=size), np.bincount(cell, weights=above, minlength=size)
        return cls(count.reshape(shape).astype(float), total.reshape(shape), float((above**2).sum()))


def loadings_of(
    above: np.ndarray, patient: np.ndarray, place: np.ndarray, alike: np.ndarray
) -> tuple[np.ndarray, float]:
    """Loadings (n_contents, RANK) and the variance of one answer about its mean.

    A factor analysis with missing answers, by expectation and maximisation
    (Rubin & Thayer 1982, Psychometrika 47:69) with expanded parameters (Liu,
    Rubin & Wu 1998, Biometrika 85:755), which needs tens of rounds, not thousands.

    Args:
        above: (n,) answers, above the usual.
        patient, place: (n,) who answered to which content.
        alike: (n_contents, RANK) loadings they are drawn to, scaled as the log has it.
    """
    seen = _Seen.of(above, patient, place, len(alike))
    loadings, noise = alike, seen.squares / seen.count.sum() / 2
    for _ in range(ROUNDS):
        mean, second = _own(seen, loadings, noise)
        seconds = np.tensordot(seen.count.T, second, axes=1)  # (n_contents, RANK, RANK)
        firsts = seen.total.T @ mean
        expected = np.einsum("crs,cs->cr", seconds, alike)
        scale = (firsts * alike).sum() / (expected * alike).sum()
        kept = seconds + SHRINKAGE * np.eye(RANK)
        loadings = np.linalg.solve(kept, (firsts + SHRINKAGE * scale * alike)[:, :, None])[:, :, 0]
        explained = 2 * (firsts * loadings).sum() - np.einsum("cr,crs,cs->", loadings, seconds, loadings)
        noise = (seen.squares - explained) / seen.count.sum()
        size, axes = np.linalg.eigh(second.mean(axis=0))
        loadings = loadings @ (axes * np.sqrt(size)) @ axes.T  # so that what is the patients' own has variance 1
    return loadings, float(noise)


def _own(seen: _Seen, loadings: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """What is the patients' own, given all they answered: mean (n_patients, RANK) and second moment."""
    products = loadings[:, :, None] * loadings[:, None]
    precision = np.eye(RANK) + np.tensordot(seen.count, products, axes=1) / noise
    covariance = np.linalg.inv(precision)
    mean = np.einsum("prs,ps->pr", covariance, seen.total @ loadings / noise)
    return mean, covariance + mean[:, :, None] * mean[:, None]
