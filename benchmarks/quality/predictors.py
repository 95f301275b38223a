"""How much of what can be explained the predictors explain, on patients they have not seen.

With m the true mean of F given everything (or the true final status), a prediction p explains
``1 - E[(p - m)²] / Var(m)`` of the truth. No predictor reaches 1: m hangs on tastes, capacities and
hours that no table holds. What could be known at best is told

- for F by a particle filter that knows the simulator's mechanism and reads what is recorded,
- for Mf by the same model told the true status at each decision.

``of the explainable`` is the one share over the other, on the same decisions.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from benchmarks.result import Result
from flows.params import read_params
from models.contents import ContentArrays
from models.features import PLACE
from models.learnt import Learnt
from models.predictors.baselines import baselines_of
from models.predictors.kinds import KINDS
from models.predictors.predictor import Fittable
from models.predictors.remaining import weighted
from models.predictors.rows import Rows
from models.prior_fitting import MOST_SESSIONS, SampledAnswers, fit_prior
from models.split import part_of
from models.targets import TARGETS, Target, target_rows
from posology.simulators import MECHANISMS, Cohort, informed_feedback, simulate
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

SEEDS = tuple(range(501, 511))  # chosen before anything was measured on them
SESSIONS = 200_000  # to fit and calibrate on
SESSIONS_PER_PATIENT = {"mci": 37, "depression": 26, "tinnitus": 38}
LEARNING_SHARE = 0.7  # of the patients; the others judge
JUDGES = 150  # patients the particle filter follows
PARTICLES = 300
COLUMNS = ("therapy", "target", "prediction", "squared error", "of the truth", "of the explainable", "± (95 %)")


@dataclass(frozen=True)
class Judged:
    """Of one prediction on one cohort: squared error of what was recorded, share of the truth, of the explainable."""

    prediction: str
    squared_error: float
    of_truth: float
    of_explainable: float


def run(seeds: int = len(SEEDS), sessions: int = SESSIONS) -> Result:
    """Each therapy and target, over cohorts of different seeds, two at least."""
    rows: list[tuple[str | float, ...]] = []
    for name in MECHANISMS:
        patients = round(sessions / LEARNING_SHARE / SESSIONS_PER_PATIENT[name])
        found: dict[tuple[Target, str], list[Judged]] = {}
        for seed in SEEDS[:seeds]:
            therapy = load_therapy(name)
            cohort = simulate(therapy, patients=patients, seed=seed)
            for target in TARGETS:
                for judged in _judge(therapy, cohort, target):
                    found.setdefault((target, judged.prediction), []).append(judged)
        rows += [_row(name, *key, judged) for key, judged in found.items()]
        sys.stderr.write(f"{name} done\n")
    return Result(
        asks=(
            f"How much of the truth is explained on held-out patients after some {sessions:,} sessions, and how much "
            f"of what could be explained at best; {seeds} cohorts with seeds from {SEEDS[0]}."
        ),
        columns=COLUMNS,
        rows=tuple(rows),
        says=(),
    )


def _row(therapy: str, target: Target, prediction: str, judged: list[Judged]) -> tuple[str | float, ...]:
    shares = np.array([each.of_explainable for each in judged])
    spread = 1.96 * shares.std(ddof=1) / np.sqrt(shares.size)
    errors, of_truth = (np.mean([getattr(each, name) for each in judged]) for name in ("squared_error", "of_truth"))
    return therapy, target, prediction, float(errors), float(of_truth), float(shares.mean()), float(spread)


def _judge(therapy: Therapy, cohort: Cohort, target: Target) -> Iterator[Judged]:
    table = _table(therapy, cohort, target)
    fit = _joined(Rows.of(table, "fit"), Rows.of(table, "calibrate"))
    some = table.filter(pl.col("part") == "judge")["user_id"].unique().sort()[:JUDGES]
    judge_table = table.filter(pl.col("user_id").is_in(some.implode()))
    judge = Rows.of(judge_table, "judge")
    truth = _truth(cohort, judge_table, target)
    predictions = {name: baseline(fit, judge) for name, baseline in baselines_of(target).items()}
    options = read_params().training[target].model_dump()
    for kind, model in KINDS.items():
        anchor = (lambda rows: np.nan_to_num(rows.column("score_last"))) if target == "status" else _none
        predictions[kind] = anchor(judge) + _mean(model, fit, fit.target - anchor(fit), judge, options)
    best = (
        _informed(therapy, cohort, judge_table, judge)
        if target == "feedback"
        else _told_status(cohort, table, judge_table, fit=fit, judge=judge, options=options)
    )
    at_best = _share(best, truth)
    for name, predicted in {**predictions, "at best": best}.items():
        share = _share(predicted, truth)
        yield Judged(name, float(np.mean((predicted - judge.target) ** 2)), share, share / at_best)


def _none(rows: Rows) -> np.ndarray:
    return np.zeros(rows.target.size)


def _mean(model: type[Fittable], fit: Rows, target: np.ndarray, judge: Rows, options: dict) -> np.ndarray:
    return model.fit_mean(fit, target, options)(judge.features)


def _share(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(1 - np.mean((predicted - truth) ** 2) / np.var(truth))


def _table(therapy: Therapy, cohort: Cohort, target: Target) -> pl.DataFrame:
    rows = target_rows(therapy, cohort.tables, target, unfinished=target == "status")
    features = _learnt(therapy, cohort.tables).features(therapy, cohort.tables.contents)
    matrix = features.of_given(cohort.tables, rows["session"].to_numpy())
    parts = pl.Series("part", [part_of(user_id) for user_id in rows["user_id"]])
    told = rows.select("user_id", "decision_id", "content_id", "target").with_columns(parts)
    table = told.hstack(pl.DataFrame(matrix, schema=list(features.names), orient="row"))
    return weighted(table) if target == "status" else table


def _learnt(therapy: Therapy, tables: Tables) -> Learnt:
    """What of the features is learnt, of the fitting patients alone."""
    sampled = SampledAnswers(tables.as_of, None, MOST_SESSIONS / tables.sessions.height).of(therapy, tables)
    return Learnt(prior=fit_prior(ContentArrays(therapy, tables.contents), sampled))


def _joined(one: Rows, other: Rows) -> Rows:
    """The patients of both."""
    stand_for = None
    if one.stands_for is not None and other.stands_for is not None:
        stand_for = np.concatenate([one.stands_for, other.stands_for])
    return Rows(
        one.names,
        np.concatenate([one.features, other.features]),
        np.concatenate([one.target, other.target]),
        np.concatenate([one.patient, other.patient + one.patient.max() + 1]),
        stand_for,
    )


def _truth(cohort: Cohort, judged: pl.DataFrame, target: Target) -> np.ndarray:
    if target == "feedback":
        known = cohort.truth.decisions.select("decision_id", truth="given_feedback")
        return judged.join(known, on="decision_id", how="left", maintain_order="left")["truth"].to_numpy()
    known = cohort.truth.patients.select("user_id", truth="status_at_end")
    return judged.join(known, on="user_id", how="left", maintain_order="left")["truth"].to_numpy()


def _informed(therapy: Therapy, cohort: Cohort, judged: pl.DataFrame, judge: Rows) -> np.ndarray:
    """What could be known of F before each decision."""
    tables = cohort.tables.of_users(judged["user_id"].unique().sort().to_list())
    expected = informed_feedback(therapy, tables, particles=PARTICLES)
    places = {decision_id: place for place, decision_id in enumerate(tables.sessions["decision_id"])}
    rows = [places[decision_id] for decision_id in judged["decision_id"]]
    return expected[rows, judge.column(PLACE).astype(int)]


def _told_status(
    cohort: Cohort, table: pl.DataFrame, judged: pl.DataFrame, *, fit: Rows, judge: Rows, options: dict
) -> np.ndarray:
    """Mf as the same model predicts it when told the true status at the decision."""
    known = cohort.truth.decisions.select("decision_id", "true_status")
    learnt = pl.concat([table.filter(pl.col("part") == part) for part in ("fit", "calibrate")])
    told = [
        frame.join(known, on="decision_id", how="left", maintain_order="left")["true_status"].to_numpy()
        for frame in (learnt, judged)
    ]
    fit, judge = (
        replace(rows, names=(*rows.names, "true_status"), features=np.column_stack([rows.features, status]))
        for rows, status in zip((fit, judge), told, strict=True)
    )
    change = fit.target - fit.column("true_status")
    return judge.column("true_status") + _mean(KINDS["catboost"], fit, change, judge, options)


if __name__ == "__main__":
    from benchmarks.pages import text_of
    from flows.cli.output import out, print_table

    measured = run(*(int(argument) for argument in sys.argv[1:]))
    print_table(measured.asks, measured.columns, [[text_of(cell) for cell in row] for row in measured.rows])
    for sentence in measured.says:
        out.print(sentence)
