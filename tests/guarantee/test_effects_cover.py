"""Over many logs the intervals of effects hold the truth as often as they promise, and naive differences do not."""

import numpy as np
import pytest

from models.effects import Arms, Scores, effects, logs_of
from posology.simulators import simulate
from posology.therapy_file import load_therapy
from tests.models.effects.conftest import true_means

SEEDS = range(500, 510)


@pytest.mark.thorough
def test_intervals_of_effects_on_f_cover_over_ten_logs():
    mci, held, naive_off, off = load_therapy("mci"), [], [], []
    for seed in SEEDS:
        cohort = simulate(mci, patients=100, seed=seed)
        choices = logs_of(mci, cohort.tables)["feedback"]
        scored = Scores.of(choices, "feedback")
        arms = Arms.of(scored, choices, "content")
        expected = true_means(cohort, choices, scored.ids)
        true, could = arms.averaged(scored, expected - expected[:, [0]]), arms.could(scored)
        for each in effects(scored, arms):
            arm = arms.names.index(each.arm)
            truth = true[could[:, arm], arm].mean()
            held.append(each.low <= truth <= each.high)
            naive_off.append(each.naive - truth)
            off.append(each.value - truth)
    assert np.mean(held) >= 0.9
    assert abs(np.mean(off)) < 0.5 * abs(np.mean(naive_off))
