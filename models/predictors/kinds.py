"""The kinds of predictor there are, the simplest first; a new one is a file and a name here."""

from models.predictors.catboost import CatBoost
from models.predictors.predictor import Fittable, Model
from models.predictors.ridge import Ridge
from models.transfer.warm import WarmStarted

KINDS: dict[str, type[Fittable]] = {kind.kind: kind for kind in (Ridge, CatBoost)}
SAVED_KINDS: dict[str, type[Model]] = {**KINDS, WarmStarted.kind: WarmStarted}
