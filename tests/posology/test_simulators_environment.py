"""One patient as a gymnasium environment: checked by gymnasium, seeded, masked, and true to the simulator."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from posology.errors import CannotDo
from posology.simulators import World
from posology.simulators.environment import CourseEnv, Reward
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

NAMES = ["mci", "depression", "tinnitus"]


@pytest.fixture(scope="module", params=NAMES)
def therapy(request: pytest.FixtureRequest) -> Therapy:
    whole = load_therapy(request.param)
    assert whole.status
    short = whole.status.model_copy(update={"final_after_days": 21.0, "final_window_days": 7.0})
    return whole.model_copy(update={"status": short})


def env_of(therapy: Therapy, reward: Reward = "feedback") -> CourseEnv:
    return CourseEnv(lambda seed: World(therapy, patients=1, seed=seed), reward=reward)


def course(env: CourseEnv, seed: int) -> tuple[list[np.ndarray], list[float], list[str]]:
    """Observations, rewards and contents of a course treated at random among the eligible."""
    observation, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    seen, rewards, contents, ended = [observation], [], [], False
    while not ended:
        observation, reward, ended, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))
        seen.append(observation)
        rewards.append(reward)
        contents.append(info["content_id"])
    return seen, rewards, contents


def test_gymnasium_finds_nothing_to_complain_of(therapy: Therapy) -> None:
    check_env(env_of(therapy), skip_render_check=True)


def test_the_same_seed_gives_the_same_course_and_another_seed_another(therapy: Therapy) -> None:
    env = env_of(therapy)
    one, same, other = course(env, 1), course(env, 1), course(env, 2)
    assert one[1:] == same[1:]
    assert np.array_equal(one[0], same[0])
    assert one[1] != other[1]


def test_observations_have_a_name_for_every_number_and_stay_in_range(therapy: Therapy) -> None:
    env = env_of(therapy)
    seen, rewards, contents = course(env, 3)
    table = dict(zip(env.names, np.array(seen).T, strict=True))
    assert np.array(seen).min() >= 0
    assert np.array(seen).max() <= 1
    assert table["given"] * 100 == pytest.approx(np.arange(len(seen)))
    assert [table[f"last={content_id}"][place + 1] for place, content_id in enumerate(contents)] == [1.0] * len(
        contents
    )
    assert table["score_first"].std() == pytest.approx(0, abs=1e-6)
    assert len(rewards) == len(contents) > 3


def test_what_is_not_eligible_is_replaced_by_the_safe_default() -> None:
    env = env_of(load_therapy("depression"))
    _, info = env.reset(seed=5)
    forbidden = np.flatnonzero(info["action_mask"] == 0)
    while not forbidden.size:
        _, _, ended, _, info = env.step(30)
        if ended:
            _, info = env.reset()
        forbidden = np.flatnonzero(info["action_mask"] == 0)
    _, _, _, _, info = env.step(int(forbidden[0]))
    assert info["content_id"] == "rest"


def test_the_reward_of_status_comes_at_the_end_in_important_changes(therapy: Therapy) -> None:
    env = env_of(therapy, reward="status")
    totals = []
    for seed in range(12):
        _, rewards, _ = course(env, seed)
        assert rewards[:-1] == [0.0] * (len(rewards) - 1)
        totals.append(rewards[-1])
    assert np.mean(totals) > 0
    assert max(np.abs(totals)) < 5


def test_a_course_that_has_ended_takes_no_more_steps() -> None:
    env = env_of(load_therapy("mci"))
    course(env, 1)
    with pytest.raises(CannotDo, match="call reset"):
        env.step(0)


def test_more_than_one_patient_is_refused() -> None:
    with pytest.raises(CannotDo, match="one patient, got 2"):
        CourseEnv(lambda seed: World(load_therapy("mci"), patients=2, seed=seed))
