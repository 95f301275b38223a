"""What F is usual, and how the F of contents go together in a patient, as the log tells it.

The usual F of a content there and then is told by all that no answer has a part
in: U, the moment, the content, and what was given when. What a patient answered
above or below it is the patient's own, see ``models.belief``.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from catboost import CatBoostRegressor, Pool

from models.predictors.saved import save_catboost
from models.predictors.trees import NamedTrees
from models.state import Catalogue
from posology.errors import CannotDo
from posology.files import write_whole

ROWS_WORTH_THREADS = 1000  # as models.predictors.catboost has it


@dataclass(frozen=True)
class Prior:
    """A fitted prior of the belief.

    Attributes:
        usual: the usual F, should it come.
        names: (n_columns,) the features ``usual`` takes, in order.
        content_ids: (n_contents,)
        loadings: (n_contents, RANK) how each content depends on what is the patient's own.
        noise: variance of one answer about its mean.
    """

    usual: CatBoostRegressor = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    content_ids: tuple[str, ...] = field(repr=False)
    loadings: np.ndarray = field(repr=False)
    noise: float

    def expect(self, features: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """(n,) the usual F of (n, n_features) of these names."""
        if features.shape[0] < ROWS_WORTH_THREADS:
            return self._trees.sums(features, names)[:, 0]
        chosen = features[:, [names.index(name) for name in self.names]]
        pool = Pool(np.asfortranarray(chosen), thread_count=-1)
        return np.asarray(self.usual.predict(pool, thread_count=-1))

    @cached_property
    def _trees(self) -> NamedTrees:
        return NamedTrees(self.usual, self.names)

    def of(self, catalogue: Catalogue, content_ids: tuple[str, ...]) -> Catalogue:
        """The contents as the fold takes them, when the usual F is told beside.

        Raises:
            CannotDo: they are not those the prior was fitted on.
        """
        if content_ids != self.content_ids:
            raise CannotDo(
                f"what is usual was learnt of {len(self.content_ids)} contents, and {len(content_ids)} others or "
                "in another order are asked about; expected the contents of the release"
            )
        return catalogue._replace(loadings=self.loadings, usual=0.0, noise=self.noise)

    def save(self, folder: Path) -> None:
        """Write ``usual.cbm``, ``loadings.npz`` and ``prior.json``, equal bytes for equal priors."""
        folder.mkdir(parents=True, exist_ok=True)
        save_catboost(self.usual, folder / "usual.cbm")
        np.savez(folder / "loadings.npz", allow_pickle=False, loadings=self.loadings)
        about = {"names": self.names, "content_ids": self.content_ids, "noise": self.noise}
        write_whole(folder / "prior.json", json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        about = json.loads((folder / "prior.json").read_text(encoding="utf-8"))
        with np.load(folder / "loadings.npz", allow_pickle=False) as arrays:
            loadings = arrays["loadings"]
        usual = CatBoostRegressor().load_model(str(folder / "usual.cbm"))
        return cls(usual, tuple(about["names"]), tuple(about["content_ids"]), loadings, about["noise"])
