"""The candidate on the stress set, and the golden requests taken from it."""

from datetime import datetime
from typing import Any

import numpy as np

from flows.evaluation.candidate import Candidate
from models.choice import score
from posology.guardrails.evidence import GoldenEvidence, StressEvidence
from posology.stress import MOMENT, forbidden, last_sessions, stress_tables
from posology.tables import Tables
from posology.therapy import Therapy
from serving.ranking import PREDICTION_FAILED, answer_rank

TOLERANCE = 1e-9  # batch and single sums may differ in the last digits


def stress_set(candidate: Candidate) -> Tables:
    """The candidate's stress set; the same for the same parameters and therapy."""
    evaluation = candidate.params.evaluation
    rng = np.random.default_rng(evaluation.seed)
    return stress_tables(candidate.therapy, candidate.tables.contents, decisions=evaluation.stress_decisions, rng=rng)


def stress_evidence(candidate: Candidate, tables: Tables) -> StressEvidence:
    """How often the candidate would give what the therapy forbids."""
    probability = score(candidate.release, tables, last_sessions(tables)).probability
    unsafe = (probability > 0) & forbidden(candidate.therapy, tables)
    contents = candidate.tables.contents["content_id"].to_list()
    examples = tuple(contents[place] for place in np.flatnonzero(unsafe.any(axis=0))[:5])
    return StressEvidence(decisions=len(probability), unsafe=int(unsafe.any(axis=1).sum()), examples=examples)


def golden_answers(candidate: Candidate, tables: Tables) -> list[dict[str, Any]]:
    """Requests of synthetic patients with the candidate's answers, for whoever serves it later."""
    users = tables.users["user_id"][: candidate.params.evaluation.golden_requests]
    requests = [_rank_request(candidate.therapy, tables.of_users([user]), number) for number, user in enumerate(users)]
    return [{"request": request, "answer": answer_rank(candidate.release, request)} for request in requests]


def golden_evidence(candidate: Candidate, tables: Tables, golden: list[dict[str, Any]]) -> GoldenEvidence:
    """Whether the answers to single requests are those of the same decisions scored together.

    An answer without a prediction differs whatever its probabilities: a bundle that fails just so agrees with nothing.
    """
    some = tables.of_users(tables.users["user_id"][: len(golden)])
    probability = score(candidate.release, some, last_sessions(some)).probability
    ids = candidate.release.contents["content_id"].to_list()
    answers = [pair["answer"] for pair in golden]
    differing = sum(
        PREDICTION_FAILED in answer["reasons"] or _differs(answer, dict(zip(ids, row, strict=True)))
        for answer, row in zip(answers, probability, strict=True)
    )
    return GoldenEvidence(requests=len(golden), differing=differing)


def _differs(answer: dict[str, Any], probability: dict[str, float]) -> bool:
    given = {item["content_id"]: item["probability"] for item in answer["ranking"]}
    return given.keys() != probability.keys() or any(abs(given[one] - probability[one]) > TOLERANCE for one in given)


def _rank_request(therapy: Therapy, course: Tables, seed: int) -> dict[str, Any]:
    """The body of ``/v1/rank`` that asks for the course's last decision."""
    *before, now = (_plain(row) for row in course.sessions.iter_rows(named=True))
    user = _plain(course.users.row(0, named=True))
    return {
        "user": {name: value for name, value in user.items() if name != "user_id"},
        "measurements": [_plain(row) for row in course.measurements.iter_rows(named=True)],
        "sessions": before,
        "context": {name: now.get(name) for name in therapy.context},
        "decided_at": MOMENT.isoformat(),
        "seed": seed,
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in row.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in known.items()}
