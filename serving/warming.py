"""Answering before anybody asks: it compiles what is compiled, and rings when the release does not work here."""

from collections.abc import Iterator
from typing import Any

from models.one_course import OneCourse
from models.release import Release
from posology.tables import Tables
from serving.ranking import answer, decide
from serving.requests import read_rank
from serving.shapes import bodies_of


def warm(release: Release) -> None:
    """Decide for the example patient of ``/v1/rank`` as if the course had come to each of its stages.

    Compiled functions are made for the kinds of arrays they are given, and those of a patient without a reading, a
    session or an answer are of other kinds.
    """
    for body in _stages(release):
        asked = read_rank(release, body)
        course: OneCourse | Tables = asked.tables
        if not release.features.need_tables:
            course = OneCourse.of(release.therapy, asked.tables)
        for seed in range(2):  # the second finds what the first kept with the course
            answer(
                release,
                decide(release, course, now=asked.decided_at, context=asked.context, candidates=None, seed=seed),
            )


def _stages(release: Release) -> Iterator[dict[str, Any]]:
    """Bodies of ``/v1/rank``: nothing known, then measured, then treated, then answered to."""
    example: dict[str, Any] = bodies_of(release).rank.example
    known = {name: value for name, value in example.items() if name not in {"measurements", "sessions", "candidates"}}
    yield known
    measured = {**known, "measurements": example.get("measurements")}
    yield measured
    feedback = release.therapy.feedback
    told = {"feedback_at", *(feedback.columns if feedback else ())}
    silent = [{key: value for key, value in row.items() if key not in told} for row in example["sessions"]]
    yield {**measured, "sessions": silent}
    for times in (1, 2):  # the arrays of one are of another kind than those of several
        yield {**measured, "sessions": times * example["sessions"]}
