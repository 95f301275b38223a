"""Every rule the data are held to: its code, where it holds, what breaking it does.

A code never changes its meaning. Breaking a row rule sends the row to
quarantine; breaking a table rule stops the flow.
"""

from dataclasses import dataclass
from typing import Literal

from posology.tables import NAMES

Level = Literal["row", "table"]


@dataclass(frozen=True)
class Code:
    """One kind of rule: the tables it holds in, what breaking it does, and what it asks, in one sentence."""

    code: str
    level: Level
    tables: tuple[str, ...]
    asks: str


_ALL = (
    Code("V101", "table", NAMES, "the file has every column the contract and the therapy require"),
    Code("V102", "table", NAMES, "the file has no column that neither the contract nor the therapy declares"),
    Code("V103", "table", NAMES, "each column is of its declared type, or one that can be read as it without loss"),
    Code("V104", "table", NAMES, "the table has rows (measurements only when the therapy declares a status)"),
    Code("V105", "table", ("measurements",), "without a declared status there are no measurements"),
    Code("V106", "table", ("contents",), "no two contents share a content_id"),
    Code("V107", "table", ("contents",), "the safe default is among the contents and not in quarantine"),
    Code("V108", "table", NAMES, "no more than a set share of the rows is in quarantine"),
    Code("V201", "row", NAMES, "a required value is there"),
    Code("V202", "row", NAMES, "an id is not empty"),
    Code("V203", "row", NAMES, "a number is finite"),
    Code("V204", "row", NAMES, "a number is within its declared range"),
    Code("V205", "row", NAMES, "a category is one of its declared values"),
    Code("V206", "row", NAMES, "an embedding is as long as most others of its column"),
    Code("V207", "row", ("measurements",), "the instrument is the therapy's"),
    Code("V208", "row", ("measurements",), "the score is within the instrument's range"),
    Code("V301", "row", ("users", "measurements", "sessions"), "the same row does not stand there again"),
    Code("V302", "row", ("users", "measurements", "sessions"), "no other row has the same key with another content"),
    Code("V401", "row", ("measurements", "sessions"), "its user is in users"),
    Code("V402", "row", ("sessions",), "its content is in contents"),
    Code("V403", "row", ("sessions",), "every content it lists as eligible is in contents"),
    Code("V501", "row", ("sessions",), "a decision is not before its user's enrolment"),
    Code("V502", "row", ("measurements", "sessions"), "its user has given consent"),
    Code("V503", "row", ("contents",), "active_from is before active_until"),
    Code("V504", "row", ("sessions",), "the content was active when it was given (the safe default always is)"),
    Code("V601", "row", ("sessions",), "a probability is above 0 and at most 1"),
    Code("V602", "row", ("sessions",), "the given content is among those eligible"),
    Code("V701", "row", ("sessions",), "feedback is not before its decision"),
    Code("V702", "row", ("sessions",), "feedback values come with the time they came"),
    Code("V703", "row", ("sessions",), "the feedback that came can be reduced to one number from 0 to 1"),
    Code("V901", "row", ("measurements", "sessions"), "its user is not in quarantine"),
    Code("V902", "row", ("sessions",), "no content it gave or could have given is in quarantine"),
)
CODES = {code.code: code for code in _ALL}


@dataclass(frozen=True)
class Thresholds:
    """The numbers of the rules that no therapy declares.

    Attributes:
        quarantined_share: largest share of a table's rows that may be in
            quarantine. Single bad rows are routine; past a fifth, what is left
            is a selection (one site, one app version) and no longer the cohort,
            so a person has to look first.
        feedback_tolerance: by how much F may leave [0, 1]. Weights that sum to
            one in decimals do not in binary; it is far below any real excess.
    """

    quarantined_share: float = 0.20
    feedback_tolerance: float = 1e-9

    def __post_init__(self) -> None:
        if not 0 <= self.quarantined_share < 1:
            raise ValueError(f"quarantined_share: expected 0 or more and below 1, got {self.quarantined_share:g}")
        if not 0 <= self.feedback_tolerance < 0.01:
            raise ValueError(f"feedback_tolerance: expected 0 or more and below 0.01, got {self.feedback_tolerance:g}")
