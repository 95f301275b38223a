"""A block of whole users, judged in rounds, each with what the one before left.

Contents are judged once, before any block; then users, the readings and sessions that refer to
them, row by row; then each course, over the rows that nothing was wrong with.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from expectations.contents import content_rules
from expectations.course import course_rules, with_course
from expectations.feedback import with_feedback_value
from expectations.judge import Judge
from expectations.keys import with_repeats
from expectations.measurements import measurement_rules
from expectations.quarantine import Judged
from expectations.readings import reading_rules
from expectations.references import with_contents, with_users
from expectations.rule import Rule, looked_at
from expectations.sessions import session_rules
from expectations.thresholds import Thresholds
from expectations.users import user_rules
from expectations.whole import Whole
from posology.blocks import ROW
from posology.tables import NAMES, Tables
from posology.therapy import Therapy

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class BlockJudge:
    """Judges one block of frames after the other; each frame has the columns and order of the contract."""

    judge: Judge
    therapy: Therapy
    whole: Whole
    limits: Thresholds

    def blocks(self, blocks: Iterable[Frames]) -> Iterator[tuple[Frames, dict[str, Judged]]]:
        """For each block the frames as they came and what was found in them; contents are there the first time."""
        contents: Judged | None = None
        for raw in blocks:
            frames = _conform(self.therapy, raw)
            if contents is None:
                contents = self._rows("contents", content_rules(self.therapy, self.whole), frames["contents"])
                yield raw, {"contents": contents, **self._block(frames, contents)}
            else:
                yield raw, self._block(frames, contents)

    def _block(self, frames: Frames, contents: Judged) -> dict[str, Judged]:
        rows = frames["users"]
        rules = user_rules(self.therapy, self.whole, self.limits)
        users = self._rows("users", rules, rows, with_repeats("users", rows))
        readings = self._measurements(frames["measurements"], users)
        sessions = self._sessions(frames["sessions"], users, contents, readings)
        return {"users": users, "measurements": readings, "sessions": sessions}

    def _measurements(self, rows: pl.DataFrame, users: Judged) -> Judged:
        facts = with_users(with_repeats("measurements", rows), users.rows, users.is_accepted)
        found = self._rows("measurements", measurement_rules(self.therapy, self.whole, self.limits), rows, facts)
        if self.therapy.status is None:
            return found
        return self._course("readings", reading_rules(self.therapy.status, self.limits), found, found.accepted)

    def _sessions(self, rows: pl.DataFrame, users: Judged, contents: Judged, readings: Judged) -> Judged:
        facts = with_repeats("sessions", rows, self.whole.shared_ids)
        facts = with_users(facts, users.rows, users.is_accepted)
        default = self.therapy.safety.safe_default
        facts = with_contents(facts, contents.rows, contents.is_accepted, safe_default=default)
        facts = with_feedback_value(facts, self.therapy.feedback)
        found = self._rows("sessions", session_rules(self.therapy, self.whole, self.limits), rows, facts)
        course = with_course(found.accepted, readings.accepted)
        return self._course("course", course_rules(self.therapy, self.limits), found, course)

    def _rows(self, suite: str, rules: Iterable[Rule], rows: pl.DataFrame, facts: pl.DataFrame | None = None) -> Judged:
        """Rows held to rules, over themselves or themselves with what was laid beside them."""
        stated = list(rules)
        verdicts = tuple(self.judge.judge(suite, stated, looked_at(stated, rows if facts is None else facts)))
        return Judged.by(rows, verdicts)

    def _course(self, suite: str, rules: Iterable[Rule], found: Judged, facts: pl.DataFrame) -> Judged:
        """The same rows with the verdicts of a later round, over those accepted so far."""
        stated = list(rules)
        verdicts = self.judge.judge(suite, stated, looked_at(stated, facts))
        places = found.is_accepted.arg_true()
        later = tuple(replace(verdict, rows=places[verdict.rows]) for verdict in verdicts)
        return Judged.by(found.rows, found.verdicts + later)


def _conform(therapy: Therapy, raw: Frames) -> Frames:
    tables = Tables.conform(therapy, {name: raw[name].drop(ROW) for name in NAMES})
    return {name: getattr(tables, name) for name in NAMES}
