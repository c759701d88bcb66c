"""Eviction: the policy that hoist uses, in a simulator that runs its own code, over traces that it was not tuned on."""
import subprocess
import sys

import pytest

from own_daemon import BUILD, ROOT

sys.path.insert(0, str(ROOT / "bench" / "policies"))
import table  # noqa: E402


@pytest.fixture(scope="module")
def runs():
    """Seconds of loading by trace, cache size and policy."""
    program = BUILD / "bench-policies"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    return table.read(subprocess.run([program, "21", "22"], check=True, capture_output=True, text=True).stdout.splitlines())


def test_cost_loads_less_than_lru_and_lfu_in_all(runs):
    assert table.total(runs, "cost") < 0.95 and table.total(runs, "cost") < table.total(runs, "lfu")


def test_cost_is_never_more_than_a_little_worse_than_lru(runs):
    for key, run in runs.items():
        assert run["cost"] <= 1.02 * run["lru"], key


def test_nobody_beats_who_knows_the_future_in_all(runs):
    assert all(table.total(runs, "clairvoyant") < table.total(runs, policy) for policy in ("cost", "lru", "lfu", "gdsf", "s3fifo", "arc"))
    assert all(run["infinite"] <= run[policy] + 0.1 for run in runs.values() for policy in table.PEERS)


def test_nobody_is_below_the_bound_and_it_says_more_than_that_each_is_loaded_once(runs):
    for key, run in runs.items():
        assert all(run["infinite"] - 0.1 <= run["bound"] <= run[policy] + 0.1 for policy in table.PEERS if policy not in ("bound", "infinite")), key
    assert table.total(runs, "bound") > 5 * table.total(runs, "infinite")
