"""A release treats simulated patients exactly as it would answer them one by one."""

import polars as pl
import pytest

from models.choice import choose
from models.course import feedback_known
from models.release import Release
from models.released import Released
from models.treating import Treating
from posology.errors import CannotDo
from posology.simulators import Cohort, World, simulate, treat
from posology.simulators.truth import counted_feedback
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def treated(release: Release, mci: Therapy) -> Cohort:
    return treat(World(mci, patients=6, seed=2, prefix="new", enrolment_days=5), Treating(Released(release)), seed=2)


def test_each_probability_is_the_one_the_service_would_have_logged(
    treated: Cohort, release: Release, mci: Therapy
) -> None:
    tables = treated.tables
    for row in tables.sessions.sample(25, seed=0).iter_rows(named=True):
        course = tables.of_users([row["user_id"]])
        before = course.sessions.filter(pl.col("decided_at") < row["decided_at"])
        choice = choose(
            release,
            Tables(course.users, course.measurements, course.contents, before),
            now=row["decided_at"],
            context={name: row[name] for name in mci.context},
            seed=0,
        )
        ranked = {each.content_id: each for each in choice.ranking}
        assert ranked[row["content_id"]].probability == pytest.approx(row["probability"], abs=1e-9)
        assert sorted(row["eligible"]) == sorted(each.content_id for each in choice.ranking if each.eligible)


def test_the_release_is_known_by_what_it_prefers(treated: Cohort, mci: Therapy) -> None:
    assert treated.tables.sessions["probability"].mean() > 0.06  # type: ignore[operator]
    assert treated.tables.sessions["probability"].min() >= mci.exploration.floor  # type: ignore[operator]


def test_another_therapy_than_the_releases_is_refused(release: Release) -> None:
    with pytest.raises(CannotDo, match=r"of therapy mci; expected tinnitus"):
        treat(World(load_therapy("tinnitus"), patients=20, seed=1), Treating(Released(release)), seed=1)


def test_feedback_counts_in_the_truth_as_in_what_models_learn_from(treated: Cohort, mci: Therapy) -> None:
    tinnitus = load_therapy("tinnitus")
    others = simulate(tinnitus, patients=20, seed=1, weeks=1)
    for therapy, sessions in ((mci, treated.tables.sessions), (tinnitus, others.tables.sessions)):
        counted = counted_feedback(therapy, sessions).to_numpy()
        assert counted == pytest.approx(feedback_known(therapy, sessions).value, nan_ok=True)
