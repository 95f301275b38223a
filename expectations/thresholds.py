"""The numbers of the rules that no therapy declares, each with its reason."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta


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
        probability_tolerance: by how much the probability of the only eligible
            content may miss 1; single precision rounds at 6e-8.
        clock_skew: how far a time may lie ahead of when the data were taken.
            Clocks that are kept agree within five minutes (Kerberos, RFC 4120, asks the same).
        earliest: no time is before it. The first trial of a computer that treats
            (Selmi et al. 1990, Am J Psychiatry 147:51) is of that year; clocks that
            lost their battery say 1970 or 1980.
        repeat_within: two decisions for one user and content this close are one
            tap sent twice: the shortest content of a therapy takes minutes.
        leap_share: of the instrument's range that a patient may cross between two
            readings of one moment. Over ``final_after_days``, the length of a
            programme, the whole range may be crossed; in between the limit grows
            evenly. Fewer than ``leap_changes`` smallest important changes are never too far.
        leap_changes: see ``leap_share``.
        feedback_within: feedback later than this is noted. What a patient is asked
            weeks after a content is another question (patients recall about a week well:
            Stull et al. 2009, Curr Med Res Opin 25:929).
        away: a user who stays away this long …
        away_against_habit: … and this many times longer than between most of the user's sessions is noted.
        busy_day: users a day from which on a day without any is noted; where 20
            come on average, none comes on one day in 500 million (Poisson).
        probability_z: standard errors, over users, by which the mean of 1/probability
            may exceed the number of eligible contents; past six it is no chance.
        probability_excess: and the share by which it may.
        lost_share: of the rows last accepted that may be gone. Erasures and withdrawn consents
            are single users; a truncated export is more.
        changed_share: of the values known before that may be different now. Corrections are single rows.
        fewest_joined: fewer newcomers than this are not compared: 20 and more clusters keep
            the corrected test near its level.
        drift_error_rate: chance, in one comparison of alike patients, of any note of drift over all columns (maxT).
            Who retrains every night for ten years and 25 therapies compares some 100,000 times: about one false note.
        drift_noted: least share of users by which a column must differ for a note, as total variation distance.
        drift_stops: the share from which on it is another quantity: two normal distributions
            one and a half standard deviations apart differ by 0.55.
    """

    quarantined_share: float = 0.20
    feedback_tolerance: float = 1e-9
    probability_tolerance: float = 1e-6
    clock_skew: timedelta = timedelta(minutes=5)
    earliest: datetime = datetime(1990, 1, 1, tzinfo=UTC)
    repeat_within: timedelta = timedelta(seconds=10)
    leap_share: float = 0.5
    leap_changes: float = 5
    feedback_within: timedelta = timedelta(days=30)
    away: timedelta = timedelta(days=42)
    away_against_habit: float = 20
    busy_day: float = 20
    probability_z: float = 6
    probability_excess: float = 0.05
    lost_share: float = 0.05
    changed_share: float = 0.01
    fewest_joined: int = 30
    drift_error_rate: float = 0.00001
    drift_noted: float = 0.15
    drift_stops: float = 0.55

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), _RANGES.get(field.name, (0.0, None))
            number = value.total_seconds() if isinstance(value, timedelta) else value
            if isinstance(number, int | float) and not (number >= low and (high is None or number < high)):
                until = "" if high is None else f" and below {high:g}"
                raise ValueError(f"{field.name}: expected {low:g} or more{until}, got {number:g}")


_SHARE = (0.0, 1.0)
_RANGES: dict[str, tuple[float, float | None]] = {
    "quarantined_share": _SHARE,
    "feedback_tolerance": (0.0, 0.01),
    "probability_tolerance": (0.0, 0.01),
    "leap_share": _SHARE,
    "lost_share": _SHARE,
    "changed_share": _SHARE,
    "fewest_joined": (2, None),
    "drift_error_rate": _SHARE,
    "drift_noted": _SHARE,
    "drift_stops": _SHARE,
}
