"""The contents table as arrays, in the order every (n, n_contents) matrix follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
import polars as pl

from models.belief import NOISE_SD, PRIOR_MEAN, loadings
from models.state import Catalogue
from posology.therapy import Therapy


def places_in(ids: pl.Enum, column: pl.Series) -> np.ndarray:
    """(n,) the place of each value among the ids; -1 for one that is not among them."""
    codes = column.cast(ids, strict=False).to_physical().cast(pl.Int64).to_numpy()
    return np.nan_to_num(codes, nan=-1).astype(np.int64)  # what has no code is NaN


@dataclass(frozen=True)
class ContentArrays:
    """Contents of a therapy by place.

    ``group`` is the category whose repetition and success are followed over
    the course: the one the safety caps name, else the first category declared.
    """

    therapy: Therapy
    table: pl.DataFrame

    @cached_property
    def ids(self) -> pl.Enum:
        """The content ids as a type whose codes are the places."""
        return pl.Enum(self.table["content_id"])

    def places(self, content_ids: pl.Series) -> np.ndarray:
        """(n,) the place of each id; -1 for a content not in the table."""
        return places_in(self.ids, content_ids)

    def places_of(self, content_ids: Sequence[str]) -> np.ndarray:
        """As ``places``, for the few ids of one course."""
        return np.fromiter(map(self._place_of.get, content_ids, repeat(-1)), np.int64, len(content_ids))

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {content_id: place for place, content_id in enumerate(self.table["content_id"])}

    @cached_property
    def group_feature(self) -> str | None:
        """Name of the category that groups contents, when there is one."""
        named = self.therapy.safety.caps.feature
        categories = (name for name, column in self.therapy.content.items() if column.kind == "category")
        return named or next(categories, None)

    @cached_property
    def group_values(self) -> tuple[str, ...]:
        """The values of the grouping category; one nameless group without it."""
        return (self.therapy.content[self.group_feature].values or ()) if self.group_feature else ("",)

    @cached_property
    def groups(self) -> np.ndarray:
        """(n_contents,) each content's group."""
        if self.group_feature is None:
            return np.zeros(self.table.height, dtype=np.int64)
        places = {value: place for place, value in enumerate(self.group_values)}
        return np.array([places[value] for value in self.table[self.group_feature]], dtype=np.int64)

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numeric attributes."""
        return tuple(name for name, column in self.therapy.content.items() if column.kind == "number")

    @cached_property
    def numbers(self) -> np.ndarray:
        """(n_contents, n_numbers) the numeric attributes."""
        if not self.number_names:
            return np.zeros((self.table.height, 0))
        return np.ascontiguousarray(self.table.select(self.number_names).to_numpy().astype(float))

    @cached_property
    def minutes(self) -> np.ndarray:
        """(n_contents + 1,) dose in minutes, last that of a content not in the table; unbounded where unknown.

        0 where the therapy declares none.
        """
        if "minutes" not in self.number_names:
            return np.zeros(self.table.height + 1)
        return np.append(self.table["minutes"].fill_null(np.inf).to_numpy(), np.inf)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The contents as the fold takes them."""
        feedback = self.therapy.feedback
        silence = np.nan if feedback is None or feedback.missing is None else feedback.missing
        alike = loadings(self.groups, self.numbers)
        return Catalogue(self.groups, self.numbers, self.minutes, alike, PRIOR_MEAN, NOISE_SD**2, silence)
