"""Logs that cannot judge a policy: a clear message, or insufficient evidence and no number."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.offpolicy import Asked, LoggedChoices, value_policies
from models.policies import FixedSchedule, Random
from posology.errors import CannotDo, TooSmall
from posology.guardrails.against_logged import AgainstLogged, against_logged
from posology.guardrails.finding import Verdict
from posology.offpolicy import Estimate
from posology.tables import Tables
from posology.therapy import Therapy

ASKED = Asked(resamples=50)


def changed(cohort: Tables, patients: int | None = None, **columns: pl.Expr) -> Tables:
    """The cohort's first patients, with other sessions."""
    some = cohort.of_users(cohort.users["user_id"].head(patients or cohort.users.height))
    return replace(some, sessions=some.sessions.with_columns(**columns))


def valued(mci: Therapy, tables: Tables, policy: object = None) -> list[tuple[Estimate, AgainstLogged]]:
    """Every estimator's answer about a policy, the random one unless told otherwise."""
    found, _ = value_policies(LoggedChoices.of(mci, tables), {"policy": policy or Random()}, ASKED)  # type: ignore[dict-item]
    return [(each.estimate, against_logged(each.estimate, each.log, margin=0.02)) for each in found]


def reasons(mci: Therapy, tables: Tables, policy: object = None) -> set[str]:
    """Why there is no verdict; it is checked that there is none."""
    answers = valued(mci, tables, policy)
    assert {against.verdict for _, against in answers} <= {Verdict.INSUFFICIENT, Verdict.NOT_APPLICABLE}
    return {against.reason for _, against in answers}


def test_a_chosen_content_with_propensity_zero_is_refused_with_what_was_expected(mci: Therapy, cohort: Tables) -> None:
    first = pl.int_range(pl.len()) == 0
    tables = changed(cohort, probability=pl.when(first).then(0.0).otherwise("probability"))
    with pytest.raises(CannotDo, match="1 contents were given with a logged probability of 0; expected above 0"):
        LoggedChoices.of(mci, tables)


def test_one_content_only_leaves_nothing_to_choose(mci: Therapy, cohort: Tables) -> None:
    rest = pl.lit(mci.safety.safe_default)
    tables = changed(cohort, content_id=rest, eligible=pl.concat_list(rest), probability=pl.lit(1.0))
    assert reasons(mci, tables) == {"one content alone was eligible in every decision: there was nothing to choose"}


def test_constant_feedback_tells_no_policy_from_another(mci: Therapy, cohort: Tables) -> None:
    same = {name: pl.lit(cohort.sessions[name].drop_nulls()[0]) for name in mci.feedback.columns}  # type: ignore[union-attr]
    tables = changed(cohort, **same, feedback_at=pl.col("decided_at") + pl.duration(hours=1))
    assert reasons(mci, tables) == {"feedback is the same in every decision: no policy can be told from another"}


def test_three_patients_are_too_few_to_tell(mci: Therapy, cohort: Tables) -> None:
    answers = valued(mci, changed(cohort, patients=3))
    assert all("3 patients, at least 10 are needed" in against.reason for _, against in answers)
    assert {estimate.value for estimate, _ in answers} == {None}


def test_one_patient_is_refused(mci: Therapy, cohort: Tables) -> None:
    with pytest.raises(TooSmall, match="2 patients or more, got 1"):
        LoggedChoices.of(mci, changed(cohort, patients=1))


def test_a_deterministic_log_gives_a_reason_and_no_number(mci: Therapy, cohort: Tables) -> None:
    answers = valued(mci, changed(cohort, probability=pl.lit(1.0)))
    assert all("deterministic" in against.reason for _, against in answers)
    assert {estimate.value for estimate, _ in answers} == {None}


def test_a_policy_the_log_hardly_ever_followed_is_told_how_much_more_it_takes(mci: Therapy, cohort: Tables) -> None:
    answers = valued(mci, cohort, FixedSchedule())
    assert {estimate.value for estimate, _ in answers} == {None}
    assert all("effective sample size" in against.reason for _, against in answers)
    assert all((against.more_decisions or 0) > 100 for _, against in answers)


def test_propensities_that_are_nearly_all_known_are_taken_as_logged(mci: Therapy, cohort: Tables) -> None:
    one_in_200 = pl.int_range(pl.len()) % 200 == 0
    tables = changed(cohort, probability=pl.when(one_in_200).then(None).otherwise("probability"))
    choices = LoggedChoices.of(mci, tables)
    found, known = value_policies(choices, {"random": Random()}, Asked(ASKED.one_step[:2], resamples=50))
    assert not known.is_estimated
    assert np.isnan(known.given).sum() > 0
    assert all(each.estimate.value is not None for each in found)
