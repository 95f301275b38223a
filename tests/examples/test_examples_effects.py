"""The published effects of the public data sets come out of the effect estimators within their intervals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from examples.oralytics_pilot.prepare import prepare
from models.effects import EffectsOf, Scores, logs_of
from models.effects.excursion import Excursion
from posology.errors import TooSmall
from posology.tables import Tables
from posology.therapy_file import load_therapy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_excursion_effect_of_heartsteps_is_the_published_one(raw_folder: Callable[[str], Path]) -> None:
    # MRTAnalysis 0.3.1, wcls: logstep_30min on intervention, control logstep_pre30min: 0.157, SE 0.0622, 95 % CI
    table = pl.read_csv(raw_folder("mrtanalysis_mimic") / "data_mimicHeartSteps.csv", null_values="NA")
    column = {name: table[name].to_numpy().astype(float) for name in table.columns}
    found = Excursion.of(
        column["userid"].astype(int),
        column["logstep_30min"],
        column["intervention"],
        column["rand_prob"],
        controls=column["logstep_pre30min"][:, None],
        available=column["avail"],
    )
    assert found.patients == 37
    assert found.value[0] == pytest.approx(0.157, abs=0.0005)
    assert found.error[0] == pytest.approx(0.0622, abs=0.00005)


def test_the_effect_of_beat_the_blues_holds_the_published_one(beat_the_blues: Tables) -> None:
    therapy = load_therapy(EXAMPLES / "beat_the_blues" / "therapy.yaml")
    choices = logs_of(therapy, beat_the_blues)["status"]
    found = EffectsOf.of("status", Scores.of(choices, "status"), choices, "content")
    effect = found.effects[0]
    assert found.reference == "tau"
    assert effect.arm == "btheb"
    assert effect.low <= 2.329 <= effect.high  # a gain is fewer points of the BDI
    assert effect.error < 4


def test_messages_of_the_oralytics_pilot_bring_the_published_seconds(raw_folder: Callable[[str], Path]) -> None:
    tables = prepare(raw_folder("oralytics_pilot"))
    sent = (tables.sessions["content_id"] == "message").to_numpy()
    given = tables.sessions["probability"].to_numpy()
    found = Excursion.of(
        tables.sessions["user_id"].rank("dense").cast(pl.Int64).to_numpy(),
        tables.sessions["quality"].to_numpy(),
        sent,
        np.where(sent, given, 1 - given),
        controls=np.zeros((len(sent), 0)),
    )
    assert found.low[0] <= 6.1 <= found.high[0]
    assert found.low[0] < 0 < found.high[0]  # nine people cannot tell


def test_nine_people_are_too_few_for_effects(raw_folder: Callable[[str], Path]) -> None:
    therapy = load_therapy(EXAMPLES / "oralytics_pilot" / "therapy.yaml")
    tables = prepare(raw_folder("oralytics_pilot"))

    def estimate() -> None:
        for target, choices in logs_of(therapy, tables).items():
            Scores.of(choices, target)

    with pytest.raises(TooSmall, match="patients"):
        estimate()
