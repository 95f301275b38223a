"""A warm start: what the source says, recalibrated, and what these patients add to it, shrunk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from models.predictors.predictor import Fitter, Mean, Model, Predictor
from models.predictors.rows import Rows
from models.transfer.source import Source
from models.tuning.held_out import dealt, subset
from posology.files import write_whole

FOLDS = 3


@dataclass(frozen=True)
class WarmStarted:
    """intercept + slope × the source's mean + share × the own model's, which learnt what the source left over.

    Attributes:
        names: the features it takes, in order.
        own: fitted here to the residuals of the recalibrated source.
        share: of the own model that is believed, from 0 to 1; with little data little.
    """

    kind: ClassVar[str] = "warm-started"
    names: tuple[str, ...]
    source: Source
    intercept: float
    slope: float
    own: Model = field(repr=False)
    share: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, 3) mean, low and high; the own model's interval is moved to the mean."""
        own = self.own.predict(features)
        base = self.intercept + self.slope * self.source.raw_mean(features, self.names)
        return (base + self.share * own[:, 0])[:, None] + own - own[:, :1]

    def importance(self, rows: Rows) -> np.ndarray:
        """(n_features,) share of each feature: of the source's and of the own model, as far as each moves the mean."""
        base = abs(self.slope) * self.source.raw_mean(rows.features, self.names).std()
        own = self.share * self.own.predict(rows.features)[:, 0].std()
        share = base * self.source.importance(rows) + own * self.own.importance(rows)
        return share / max(share.sum(), 1e-12)

    def save(self, folder: Path) -> None:
        """``warm.json``, the source's predictor and the own model in folders of their own; nothing else is needed."""
        self.source.predictor.save(folder / "source")
        (folder / "own").mkdir(exist_ok=True)
        self.own.save(folder / "own")
        about = {
            "names": self.names,
            "source": {
                "release": self.source.release,
                "digest": self.source.digest,
                "places": self.source.places,
                "direction": self.source.direction,
            },
            "intercept": self.intercept,
            "slope": self.slope,
            "own": self.own.kind,
            "share": self.share,
        }
        write_whole(folder / "warm.json", json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        from models.predictors.kinds import KINDS

        about = json.loads((folder / "warm.json").read_text())
        told = about["source"]
        source = Source(
            told["release"], told["digest"], Predictor.load(folder / "source"), tuple(told["places"]), told["direction"]
        )
        own = KINDS[about["own"]].load(folder / "own")
        return cls(tuple(about["names"]), source, about["intercept"], about["slope"], own, about["share"])


@dataclass(frozen=True)
class WarmStart:
    """Fits a kind that begins with a source.

    The prior is the source's prediction. Its intercept and slope are fitted here, for another instrument may be
    longer; never below zero: a source that is wrong about what is good is not believed upside down. The own model
    is fitted to what is left, and its share is the slope of the left-over on its out-of-fold predictions (stacked
    regression, Breiman 1996): it goes to zero where these patients are too few to tell, the shrinkage of empirical
    Bayes (Efron & Morris 1973). For ridge the penalty is then on the distance from the source instead of from zero.
    """

    kind: Fitter
    source: Source

    def fit(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> WarmStarted:
        """A model that holds the source."""
        intercept, slope, left = self._left_over(rows, target)
        own, share = self.kind.fit(rows, left, options), self._share(rows, left, options)
        return WarmStarted(rows.names, self.source, intercept, slope, own, share)

    def fit_mean(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Mean:
        """The mean of what ``fit`` gives."""
        intercept, slope, left = self._left_over(rows, target)
        own, share = self.kind.fit_mean(rows, left, options), self._share(rows, left, options)
        return lambda features: intercept + slope * self.source.raw_mean(features, rows.names) + share * own(features)

    def _left_over(self, rows: Rows, target: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Intercept and slope of the source, and (n,) what they leave of the target."""
        theirs = self.source.raw_mean(rows.features, rows.names)
        intercept, slope = _line(theirs, target, rows.weight)
        return intercept, slope, target - intercept - slope * theirs

    def _share(self, rows: Rows, left: np.ndarray, options: Mapping[str, Any]) -> float:
        """How much of the own model patients left out bear out, from 0 to 1."""
        fold = dealt(rows, min(FOLDS, rows.patients), np.random.default_rng(int(options["seed"])))
        told = np.empty(left.size)
        for number in np.unique(fold):
            out = fold == number
            told[out] = self.kind.fit_mean(subset(rows, ~out), left[~out], options)(rows.features[out])
        spread = float(rows.weight @ told**2)
        return float(np.clip(rows.weight @ (told * left) / spread, 0, 1)) if spread > 0 else 0.0


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the weighted least-squares line that does not fall; a flat one where x does not vary."""
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = weight @ (x - x_mean) ** 2
    slope = float(weight @ ((x - x_mean) * (y - y_mean)) / spread) if spread > 1e-12 else 0.0
    slope = max(slope, 0.0)
    return float(y_mean - slope * x_mean), slope
