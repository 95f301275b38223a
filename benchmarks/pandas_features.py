"""The features of every session as a pandas user would make them: group-by, rolling and as-of joins, no loop."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.belief import NOISE_SD, PRIOR_MEAN, RANK, loadings
from models.fold import FAST, FORGET, MINUTES_PER_DAY, RATE_DAYS, SLOW
from models.state import LOOK_BACK
from posology.therapy import Columns, Therapy

DAY = pd.Timedelta(days=1)
MOMENT = pd.Timedelta(microseconds=1)
Frames = Mapping[str, pd.DataFrame]


def by_pandas(therapy: Therapy, frames: Frames) -> pd.DataFrame:
    """All features, one row a session, in the order of the sessions table.

    Written for a therapy with feedback, whose contents are grouped by ``domain`` and have minutes.
    """
    rows = _rows(frames)
    feedback = _known_feedback(therapy, rows)
    encoded = [_encoded(rows, columns) for columns in (therapy.user, therapy.context, therapy.content)]
    return pd.concat(
        [
            _given(rows),
            _feedback(rows, feedback),
            _scores(rows, frames["measurements"]),
            _same_content(rows, feedback),
            _same_group(rows, feedback),
            _answered(rows, feedback),
            _expected_answer(rows, frames["contents"], feedback),
            rows["place"].rename("content"),
            *encoded,
        ],
        axis=1,
    )


def _rows(frames: Frames) -> pd.DataFrame:
    contents = frames["contents"].assign(place=np.arange(len(frames["contents"])))
    rows = frames["sessions"].merge(frames["users"].drop(columns=["site", "consent"]), on="user_id", how="left")
    return rows.merge(contents, on="content_id", how="left")


def _known_feedback(therapy: Therapy, rows: pd.DataFrame) -> pd.DataFrame:
    """F with when it was known, in that order; known a moment later where it came at the time of its decision."""
    declared = therapy.feedback
    assert declared is not None
    value = 0.5 * rows["score"] / 100 + 0.3 * rows["completed"].astype(float) + 0.05 * (rows["rating"] - 1)
    came_at = rows["feedback_at"].where(rows["feedback_at"] > rows["decided_at"], rows["decided_at"] + MOMENT)
    due_at = rows["decided_at"] + pd.Timedelta(hours=declared.due_hours)
    came = rows["feedback_at"].notna() & (came_at <= due_at) & value.notna()
    known = rows[["user_id", "content_id", "domain", "place", "level", "minutes"]].assign(
        known_at=came_at.where(came, due_at), value=value.where(came, declared.missing)
    )
    return known.dropna(subset=["value"]).sort_values("known_at", kind="stable").reset_index(drop=True)


def _given(rows: pd.DataFrame) -> pd.DataFrame:
    time, of_user = rows["decided_at"], rows.groupby("user_id", sort=False)
    days = (time - of_user["decided_at"].transform("first")) / DAY
    grown = np.exp(days / RATE_DAYS)
    before = grown.groupby(rows["user_id"], sort=False).cumsum() - grown
    minutes = rows["minutes"]
    dose = rows.set_index("decided_at").groupby("user_id", sort=False)["minutes"].rolling("24h", closed="neither").sum()
    return pd.DataFrame(
        {
            "days_enrolled": (time - rows["enrolled_at"]) / DAY,
            "given": of_user.cumcount(),
            "given_per_week": before / grown,
            "days_since_given": (time - of_user["decided_at"].shift()) / DAY,
            "minutes_faded": _faded(minutes, days, rows["user_id"], 1.0),
            "minutes_last_24h": dose.fillna(0.0).clip(upper=MINUTES_PER_DAY).to_numpy(),
        }
    )


def _feedback(rows: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    values = feedback.groupby("user_id", sort=False)["value"]
    feedbacks = values.cumcount() + 1
    told = feedback[["user_id", "known_at"]].assign(
        feedbacks=feedbacks,
        feedback_last=feedback["value"],
        feedback_mean=values.cumsum() / feedbacks,
        feedback_recent=_toward(values, FAST),
        slow=_toward(values, SLOW),
    )
    told["feedback_trend"] = told["feedback_recent"] - told.pop("slow")
    found = _as_of(rows, told, ["user_id"], "known_at").drop(columns="known_at")
    return found.assign(feedbacks=found["feedbacks"].fillna(0))


def _scores(rows: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    of_user = measurements.groupby("user_id", sort=False)["score"]
    readings = pd.DataFrame(
        {
            "user_id": measurements["user_id"],
            "measured_at": measurements["measured_at"],
            "scores": of_user.cumcount() + 1,
            "score_first": of_user.transform("first"),
            "score_last": measurements["score"],
        }
    )
    found = _as_of(rows, readings.sort_values("measured_at"), ["user_id"], "measured_at")
    return found.assign(
        scores=found["scores"].fillna(0),
        score_change=found["score_last"] - found["score_first"],
        days_since_score=(rows["decided_at"] - found.pop("measured_at")) / DAY,
    )


def _same_content(rows: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    keys = ["user_id", "content_id"]
    alike = rows.groupby(keys, sort=False)
    is_other = (rows[keys] != rows[keys].shift()).any(axis=1)
    told = feedback[[*keys, "known_at"]].assign(
        content_feedback=_toward(feedback.groupby(keys, sort=False)["value"], FAST)
    )
    return pd.DataFrame(
        {
            "content_given": alike.cumcount(),
            "content_in_a_row": rows.groupby(is_other.cumsum(), sort=False).cumcount(),
            "content_days_since": (rows["decided_at"] - alike["decided_at"].shift()) / DAY,
            "content_feedback": _as_of(rows, told, keys, "known_at")["content_feedback"],
        }
    )


def _same_group(rows: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    keys = ["user_id", "domain"]
    alike, values = rows.groupby(keys, sort=False), feedback.groupby(keys, sort=False)["value"]
    domains = rows.groupby("user_id", sort=False)["domain"]
    told = feedback[[*keys, "known_at"]].assign(
        group_feedback_last=feedback["value"], group_feedback_recent=_toward(values, FAST)
    )
    made = pd.DataFrame(
        {
            "group_given": alike.cumcount(),
            "group_of_last_9": sum(
                (rows["domain"] == domains.shift(back)).astype(int) for back in range(1, LOOK_BACK + 1)
            ),
            "group_days_since": (rows["decided_at"] - alike["decided_at"].shift()) / DAY,
        }
    )
    for name in ("level", "minutes"):
        recent = _toward(alike[name], FAST).groupby([rows[key] for key in keys], sort=False).shift()
        made[f"{name}_above_recent"] = rows[name] - recent
        made[f"{name}_above_last"] = rows[name] - alike[name].shift()
    days = (rows["decided_at"] - rows["enrolled_at"]) / DAY
    for half_life in (1, 4):
        one = pd.Series(1.0, index=rows.index)
        made[f"group_faded_{half_life}d"] = _faded(one, days, [rows[key] for key in keys], float(half_life))
    return made.join(_as_of(rows, told, keys, "known_at").drop(columns="known_at"))


def _answered(rows: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    """What is known of feedback that is not silence."""
    came = (feedback["value"] != 0.0).astype(float)
    value, of_user = feedback["value"] * came, feedback["user_id"]
    told = feedback[["user_id", "known_at"]].assign(
        answered_share=came.groupby(of_user, sort=False).cumsum() / (feedback.groupby("user_id").cumcount() + 1),
        answered_mean=value.groupby(of_user, sort=False).cumsum() / came.groupby(of_user, sort=False).cumsum(),
    )
    grown = (1 - FORGET) ** -came.groupby(of_user, sort=False).cumsum()
    weight = (value**2 * grown).groupby(of_user, sort=False).cumsum()
    for name in ("level", "minutes"):
        best = (value**2 * grown * feedback[name]).groupby(of_user, sort=False).cumsum() / weight
        told[f"{name}_best"] = best
    found = _as_of(rows, told, ["user_id"], "known_at").drop(columns="known_at")
    for name in ("level", "minutes"):
        of_number = rows.groupby("user_id", sort=False)[name]
        before = (of_number.cumsum() - rows[name]) / of_number.cumcount()
        found[f"{name}_above_mean"] = rows[name] - before
        found[f"{name}_above_best"] = rows[name] - found.pop(f"{name}_best")
    keys = [feedback["user_id"], feedback["domain"]]
    told = feedback[["user_id", "domain", "known_at"]].assign(
        group_answered_mean=value.groupby(keys, sort=False).cumsum() / came.groupby(keys, sort=False).cumsum()
    )
    return found.join(_as_of(rows, told, ["user_id", "domain"], "known_at").drop(columns="known_at"))


def _expected_answer(rows: pd.DataFrame, contents: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    """Recursive least squares, the nth answer of all patients at once."""
    load = loadings(contents["domain"].factorize()[0], contents[["level", "minutes"]].to_numpy(dtype=float))
    answers = feedback[feedback["value"] != 0.0]
    patient, nth = answers["user_id"].factorize()[0], answers.groupby("user_id").cumcount().to_numpy()
    mean, covariance = np.zeros((patient.max() + 1, RANK)), np.tile(np.eye(RANK), (patient.max() + 1, 1, 1))
    after_mean, after = np.zeros((len(answers), RANK)), np.zeros((len(answers), RANK, RANK))
    for order in range(nth.max() + 1):
        at = np.flatnonzero(nth == order)
        who, of_content = patient[at], load[answers["place"].to_numpy()[at]]
        reach = (covariance[who] @ of_content[:, :, None])[:, :, 0]
        gain = reach / ((reach * of_content).sum(axis=1) + NOISE_SD**2)[:, None]
        error = answers["value"].to_numpy()[at] - PRIOR_MEAN - (mean[who] * of_content).sum(axis=1)
        mean[who] += gain * error[:, None]
        covariance[who] -= gain[:, :, None] * reach[:, None, :]
        after_mean[at], after[at] = mean[who], covariance[who]
    told = answers[["user_id", "known_at"]].assign(answer=np.arange(len(answers)))
    found = _as_of(rows, told, ["user_id"], "known_at")["answer"]
    last, of_content = found.fillna(0).to_numpy(dtype=int), load[rows["place"]]
    expected = np.where(found.isna(), 0.0, (after_mean[last] * of_content).sum(axis=1))
    spread = np.where(
        found.isna(), (of_content**2).sum(axis=1), np.einsum("nk,nkl,nl->n", of_content, after[last], of_content)
    )
    return pd.DataFrame({"expected_answer": PRIOR_MEAN + expected, "expected_answer_sd": np.sqrt(spread)})


def _faded(amount: pd.Series, days: pd.Series, keys: "pd.Series | list[pd.Series]", half_life: float) -> pd.Series:
    """What was given before, halved each half-life; the times of one course are few enough not to overflow."""
    grown = 0.5 ** (-days / half_life)
    return ((amount * grown).groupby(keys, sort=False).cumsum() - amount * grown) / grown


def _toward(grouped: "pd.core.groupby.SeriesGroupBy", weight: float) -> pd.Series:
    """The running mean in which the newest value weighs ``weight``, in the order of the rows."""
    means = grouped.ewm(alpha=weight, adjust=False).mean()
    return means.droplevel(list(range(means.index.nlevels - 1))).sort_index()


def _as_of(rows: pd.DataFrame, told: pd.DataFrame, keys: list[str], time: str) -> pd.DataFrame:
    """What was told last at each decision, in the order of the rows."""
    left = rows[[*keys, "decided_at"]].reset_index().sort_values("decided_at", kind="stable")
    found = pd.merge_asof(left, told, left_on="decided_at", right_on=time, by=keys)
    return found.set_index("index").sort_index().drop(columns=[*keys, "decided_at"])


def _encoded(rows: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    made: dict[str, pd.Series] = {}
    for name, column in columns.items():
        if column.kind == "category":
            is_there = rows[name].notna()
            made |= {
                f"{name}={value}": (rows[name] == value).where(is_there).astype(float) for value in column.values or ()
            }
        elif column.kind in {"number", "boolean"}:
            made[name] = rows[name].astype(float)
    return pd.DataFrame(made)
