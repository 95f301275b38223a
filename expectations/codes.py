"""Every rule the data are held to: its code, where it holds, what breaking it does.

A code never changes its meaning. Breaking a row rule sends the row to
quarantine; breaking a table rule stops the flow; what breaks a rule that is
only noted is worth a look, but may be true.
"""

from dataclasses import dataclass
from typing import Literal

from posology.tables import NAMES

Level = Literal["row", "table", "note"]
THEN: dict[Level, str] = {"row": "the row goes to quarantine", "table": "the flow stops", "note": "it is noted"}


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
    Code("V209", "row", ("measurements",), "a reading does not leap further than a patient can in the time between"),
    Code("V210", "row", NAMES, "an id holds no control characters"),
    Code("V301", "row", ("users", "measurements", "sessions"), "the same row does not stand there again"),
    Code("V302", "row", ("users", "measurements", "sessions"), "no other row has the same key with another content"),
    Code("V303", "row", ("sessions",), "the same content was not given to the same user seconds before"),
    Code("V304", "row", ("sessions",), "the user has no other content at the same moment"),
    Code("V401", "row", ("measurements", "sessions"), "its user is in users"),
    Code("V402", "row", ("sessions",), "its content is in contents"),
    Code("V403", "row", ("sessions",), "every content it lists as eligible is in contents"),
    Code("V501", "row", ("sessions",), "a decision is not before its user's enrolment"),
    Code("V502", "row", ("measurements", "sessions"), "its user has given consent"),
    Code("V503", "row", ("contents",), "active_from is before active_until"),
    Code("V504", "row", ("sessions",), "the content was active when it was given (the safe default always is)"),
    Code("V505", "row", ("sessions",), "a decision is not before its user's first reading"),
    Code("V506", "row", ("measurements", "sessions"), "nothing was recorded after its user withdrew consent"),
    Code("V507", "row", NAMES[:2] + NAMES[3:], "no time is later than when the data were taken"),
    Code("V508", "row", NAMES[:2] + NAMES[3:], "no time is earlier than digital therapeutics"),
    Code("V509", "row", ("sessions",), "every content it lists as eligible was active (the safe default always is)"),
    Code("V510", "note", ("sessions",), "a user does not stay away for weeks, against all habit, and come back"),
    Code("V511", "note", ("sessions",), "no day without any session lies between busy days"),
    Code("V601", "row", ("sessions",), "a probability is above 0 and at most 1"),
    Code("V602", "row", ("sessions",), "the given content is among those eligible"),
    Code("V603", "row", ("sessions",), "where one content alone is eligible its probability is 1"),
    Code("V604", "row", ("sessions",), "no content is listed as eligible twice"),
    Code("V605", "table", ("sessions",), "the contents were given as often as the logged probabilities say"),
    Code("V701", "row", ("sessions",), "feedback is not before its decision"),
    Code("V702", "row", ("sessions",), "feedback values come with the time they came"),
    Code("V703", "row", ("sessions",), "the feedback that came can be reduced to one number from 0 to 1"),
    Code("V704", "note", ("sessions",), "feedback comes within weeks of its decision"),
    Code("V801", "table", NAMES[:2] + NAMES[3:], "no more than a set share of the rows last accepted is gone"),
    Code("V802", "table", ("users",), "every site last accepted is there"),
    Code("V803", "table", ("contents",), "every content given in the data last accepted is there"),
    Code("V804", "table", NAMES, "what was known before is still the same, but for a set share of it"),
    Code("V805", "note", NAMES[:2] + NAMES[3:], "those who joined since are like those known before"),
    Code("V806", "table", NAMES[:2] + NAMES[3:], "those who joined since are not altogether unlike those known before"),
    Code("V807", "note", ("users",), "the users last accepted are not there under other ids"),
    Code("V901", "row", ("measurements", "sessions"), "its user is not in quarantine"),
    Code("V902", "row", ("sessions",), "no content it gave or could have given is in quarantine"),
)
CODES = {code.code: code for code in _ALL}
