"""What every predictor does, and the two kinds there are."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from models.predictors.interval import Wider, interval
from models.predictors.rows import Rows
from models.predictors.slices import Slice, calibrated, slices_of, wider
from models.predictors.support import Support, fit_support
from models.targets import Target
from posology.digests import digest_of_folder
from posology.files import write_whole

Mean = Callable[[np.ndarray], np.ndarray]  # (n, n_features) → (n,)


class Model(Protocol):
    """Mean and raw quantiles of a target; saved as files of its library."""

    kind: ClassVar[str]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, 3) mean, low and high quantile, not yet calibrated."""
        ...

    def importance(self, rows: Rows) -> np.ndarray:
        """(n_features,) share of each feature, summing to one."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        ...


class Fittable(Model, Protocol):
    """A kind of model that rows alone are enough for."""

    @classmethod
    def fit(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Self:
        """A fitted model; ``target`` may be a change instead of the rows' own target."""
        ...

    @classmethod
    def fit_mean(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Mean:
        """The mean alone, as ``fit`` would come to it; what many fits are compared by."""
        ...


class Fitter(Protocol):
    """Fits models: a kind, or a kind that begins with what another release knows."""

    def fit(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Model:
        """As ``Fittable.fit``."""
        ...

    def fit_mean(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Mean:
        """As ``Fittable.fit_mean``."""
        ...


@dataclass(frozen=True)
class Predictor:
    """A calibrated model of F or Mf.

    Attributes:
        names: the features it takes, in order.
        anchor: feature the model predicts the change from, when there is one.
        margin: what conformal calibration adds to both ends of the interval.
        bounds: the range of the target; predictions are clipped to it.
        coverage: nominal coverage of the interval.
        slices: what the interval is widened by besides, in each group of patients and contents.
        support: which pairs of course and content are like those it was fitted on.
    """

    target: Target
    model: Model = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    anchor: str | None
    margin: float
    bounds: tuple[float, float]
    coverage: float
    slices: tuple[Slice, ...] = field(default=(), repr=False)
    support: Support | None = field(default=None, repr=False)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, 3) mean, low, high in units of the target."""
        raw = np.ascontiguousarray(self.model.predict(features))
        return interval(raw, features, self._anchor_place, self.margin, self._wider, self.bounds)

    @cached_property
    def _anchor_place(self) -> int:
        return -1 if self.anchor is None else self.names.index(self.anchor)

    @cached_property
    def _wider(self) -> Wider:
        return wider(self.slices, self.names)

    def supported(self, features: np.ndarray) -> np.ndarray:
        """(n,) whether each pair of course and content is like those that were seen; elsewhere the mean is a guess."""
        if self.support is None:
            return np.ones(features.shape[0], dtype=bool)
        return self.support.holds(features, self.names)

    def save(self, folder: Path) -> None:
        """Write ``predictor.json`` and the model's own files."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder)
        about = {
            "target": self.target,
            "kind": self.model.kind,
            "names": self.names,
            "anchor": self.anchor,
            "margin": self.margin,
            "bounds": self.bounds,
            "coverage": self.coverage,
            "slices": [asdict(each) for each in self.slices],
            "support": None if self.support is None else self.support.about(),
        }
        if self.support is not None:
            self.support.save(folder)
        write_whole(folder / "predictor.json", json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path) -> "Predictor":
        """Read what ``save`` wrote."""
        from models.predictors.kinds import SAVED_KINDS

        about = json.loads((folder / "predictor.json").read_text())
        model = SAVED_KINDS[about["kind"]].load(folder)
        return cls(
            about["target"],
            model,
            tuple(about["names"]),
            about["anchor"],
            about["margin"],
            (about["bounds"][0], about["bounds"][1]),
            about["coverage"],
            tuple(Slice(**each) for each in about["slices"]),
            None if about["support"] is None else Support.load(about["support"], folder),
        )


def fit_predictor(
    kind: Fitter,
    target: Target,
    fit: Rows,
    calibrate: Rows,
    *,
    options: Mapping[str, Any],
    bounds: tuple[float, float],
) -> Predictor:
    """A predictor of one kind: fitted on some patients, its interval calibrated on others.

    Mf is learnt as the change from the last score, which is always there once
    a course has begun.
    """
    anchor = _anchor_name(target)
    coverage = float(options["coverage"])
    model = kind.fit(fit, fit.target - _anchor(anchor, fit.names, fit.features), options)
    raw = model.predict(calibrate.features) + _anchor(anchor, fit.names, calibrate.features)[:, None]
    score = np.maximum(raw[:, 1] - calibrate.target, calibrate.target - raw[:, 2])
    margin, slices = calibrated(slices_of(fit), calibrate, score, coverage=coverage)
    support = fit_support(fit, calibrate, seed=int(options["seed"]))
    return Predictor(target, model, fit.names, anchor, margin, bounds, coverage, slices, support)


def fit_mean(
    kind: Fitter, target: Target, fit: Rows, *, options: Mapping[str, Any], bounds: tuple[float, float]
) -> Mean:
    """The mean of the predictor that ``fit_predictor`` would give, without its interval."""
    anchor = _anchor_name(target)
    mean = kind.fit_mean(fit, fit.target - _anchor(anchor, fit.names, fit.features), options)
    return lambda features: np.clip(mean(features) + _anchor(anchor, fit.names, features), *bounds)


def predictor_digest(folder: Path) -> str:
    """SHA-256 over the files of a saved predictor."""
    return digest_of_folder(folder)


def _anchor_name(target: Target) -> str | None:
    return "score_last" if target == "status" else None


def _anchor(anchor: str | None, names: tuple[str, ...], features: np.ndarray) -> np.ndarray:
    if anchor is None:
        return np.zeros(features.shape[0])
    return np.nan_to_num(features[:, names.index(anchor)])
