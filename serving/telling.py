"""What people read in an answer: the patient's sentence, and what each reason code means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models.choice import NO_FIRST_STATUS, NOT_OFFERED, NOTHING_ELSE
from models.release import Release
from posology.safety import IN_A_ROW, INACTIVE, MINUTES, SHARE
from serving.alarms import Alarm
from serving.per_release import per_release

BECAUSE = {
    INACTIVE: "not active at this time",
    IN_A_ROW: "given too often in a row",
    MINUTES: "would be more minutes within a day than allowed",
    SHARE: "too many of the last ten contents were of its kind",
    NOT_OFFERED: "the app did not offer it",
    NO_FIRST_STATUS: "the patient was never measured",
    NOTHING_ELSE: "nothing else may be given now",
    Alarm.PREDICTION_FAILED: "the prediction failed, so the safe default is given",
    Alarm.DEADLINE: "no choice was made in time, so the safe default is given",
    Alarm.STORE_UNAVAILABLE: "the patient's course could not be read, so the safe default is given",
    Alarm.NOT_KEPT: "no disk took the decision, so it has no decision_id",
    Alarm.INTERNAL_ERROR: "something broke, so the safe default is given",
}


@dataclass(frozen=True)
class Telling:
    """What one release tells, worked out once."""

    because: Mapping[str, str]
    sentences: Mapping[str, str | None]  # by content
    never_measured: str | None

    def of(self, content_id: str, reasons: Iterable[str], ranking: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """``because``: reason code → meaning, of every code in the answer; ``message``: the patient's sentence."""
        codes = {*reasons, *(code for row in ranking for code in row["reasons"])}
        is_first = NO_FIRST_STATUS in codes
        return {
            "because": {code: self.because[code] for code in sorted(codes) if code in self.because},
            "message": self.never_measured if is_first else self.sentences.get(content_id),
        }


@per_release
def telling_of(release: Release) -> Telling:
    """What a release tells."""
    therapy, rows = release.therapy, release.contents.rows(named=True)
    because = {**BECAUSE, **{rule.code: rule.because for rule in therapy.safety.rules}}
    words, default = therapy.words, therapy.safety.safe_default
    if words is None:
        return Telling(because, {}, None)
    kind_of = {row["content_id"]: "safe_default" if row["content_id"] == default else "chosen" for row in rows}
    rest = next(row for row in rows if row["content_id"] == default)
    return Telling(
        because,
        sentences={row["content_id"]: words.say(kind_of[row["content_id"]], row) for row in rows},
        never_measured=words.say("never_measured", rest),
    )
