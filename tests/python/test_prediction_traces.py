"""Prediction: the product's own code over traces that it was not tuned on."""
import collections
import subprocess

import pytest

from own_daemon import BUILD

Run = collections.namedtuple("Run", "without_s with_s wasted_s net_s wasted_gib loaded precision recall state switches")


@pytest.fixture(scope="module")
def runs():
    """Runs by trace."""
    program = BUILD / "bench-prediction"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    found = collections.defaultdict(list)
    for line in subprocess.run([program, *map(str, range(201, 221))], check=True, capture_output=True, text=True).stdout.splitlines():
        trace, _, *figures, state, switches = line.split()
        found[trace].append(Run(*map(float, figures), state, int(switches)))
    return found


def test_on_a_working_day_it_saves_net_of_what_it_wastes_on_every_seed(runs):
    assert len(runs["workday"]) == 20
    assert all(run.net_s > 0 and run.loaded > 0 for run in runs["workday"])
    assert sum(run.net_s for run in runs["workday"]) > 0.25 * sum(run.without_s for run in runs["workday"])


def test_on_a_random_trace_it_is_not_on_and_wastes_next_to_nothing(runs):
    assert all(run.state != "on" for run in runs["random"])
    assert all(run.wasted_s < 0.01 * run.without_s for run in runs["random"])


def test_it_turns_itself_off_when_habits_give_way_to_chance(runs):
    assert all(run.state != "on" and run.switches >= 2 and run.loaded > 0 for run in runs["turned"])
    assert all(run.wasted_s < 0.05 * run.without_s for run in runs["turned"])
    assert sum(run.net_s for run in runs["turned"]) > 0
