"""hoist-keeper: who starts it, whom it outlives, and when it frees."""
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from own_daemon import BUILD, HOISTD, wait_until

KEEPER = BUILD / "hoist-keeper"


def is_running(pid):
    """Is it there, and no zombie that nobody waits for?"""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False
    return "hoist-keeper" in status and "State:\tZ" not in status


def free_kept(daemon):
    """Run `hoistd --free-kept` on its state."""
    return subprocess.run([HOISTD, "--free-kept", "--state", daemon.folder / "state"], capture_output=True, text=True, check=False)


@pytest.fixture
def daemon(start, one_model):
    """A daemon of the test's own, whose keeper waits 20 s."""
    daemon = start(one_model, "--no-workers", HOIST_KEEPER_SECONDS="20")
    yield daemon
    if daemon.process.poll() is None:
        daemon.stop()
    free_kept(daemon)


def test_it_outlives_a_hoistd_that_is_killed_and_ends_with_one_that_stops(daemon):
    pid = daemon.keeper()
    for _ in range(5):
        daemon.stop(signal.SIGKILL)
        assert is_running(pid)
        daemon.start()
        assert daemon.keeper() == pid
    assert daemon.stop() == 0
    assert not is_running(pid)


def test_an_upgrade_leaves_it(daemon):
    pid = daemon.keeper()
    assert daemon.stop(signal.SIGUSR2) == 75
    assert is_running(pid)
    daemon.start()
    assert daemon.keeper() == pid
    assert daemon.stop(signal.SIGINT) == 0
    assert not is_running(pid)


def test_it_ends_when_no_hoistd_comes(start, one_model):
    daemon = start(one_model, "--no-workers", HOIST_KEEPER_SECONDS="1")
    pid = daemon.keeper()
    time.sleep(1.5)
    assert is_running(pid)
    daemon.stop(signal.SIGKILL)
    wait_until(lambda: not is_running(pid), 3)


def test_another_takes_its_place_when_it_is_killed(daemon):
    first = daemon.keeper()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: keepers_of(daemon) and keepers_of(daemon) != [first])
    assert daemon.data("POST", "/api/model/load", {"model_id": "one"})["model_id"] == "one"
    second = keepers_of(daemon)
    assert daemon.stop() == 0
    wait_until(lambda: not any(is_running(pid) for pid in second))


def keepers_of(daemon):
    """Process ids of the keepers among its children."""
    found = []
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text(encoding="ascii").split()]
    return [pid for pid in found if is_running(pid)]


def test_it_is_small_and_holds_nothing_of_hoistd(daemon):
    pid = daemon.keeper()
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    assert status["Threads"] == "1" and os.getsid(pid) == pid
    if "HOIST_SANITIZED" not in os.environ:
        assert int(status["VmRSS"].split()[0]) < 2048, status["VmRSS"]
    try:
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    except PermissionError:  # it hides from everyone but root
        return
    tmpfs = fds.count("/")  # its two directories, where hoistd may have one
    assert tmpfs in (0, 2) and fds.count("/dev/null") == 3 and len(fds) == 5 + tmpfs, fds


def test_who_reads_the_output_of_a_killed_hoistd_sees_its_end(one_model, tmp_path):
    command = [HOISTD, "--models", one_model, "--state", tmp_path / "state", "--socket", tmp_path / "s", "--listen", "off", "--no-workers"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "HOIST_KEEPER_SECONDS": "20"})
    assert process.stdout.readline().startswith(b"hoistd ready")
    process.kill()
    process.communicate(timeout=5)
    freed = subprocess.run([HOISTD, "--free-kept", "--state", tmp_path / "state"], capture_output=True, text=True, check=True)
    assert "is free" in freed.stdout


def test_what_is_kept_can_be_freed_by_hand_but_not_under_a_running_hoistd(daemon):
    pid = daemon.keeper()
    refused = free_kept(daemon)
    assert refused.returncode == 1 and "another daemon is running" in refused.stderr
    assert is_running(pid)
    daemon.stop(signal.SIGKILL)
    assert "is free" in free_kept(daemon).stdout
    wait_until(lambda: not is_running(pid), 3)  # it says so once all is free, and ends right after
    assert "no memory was kept" in free_kept(daemon).stdout
    daemon.start()
    assert daemon.keeper() != pid


def test_who_wants_none_gets_none_and_ends_the_one_before(daemon):
    pid = daemon.keeper()
    daemon.stop(signal.SIGKILL)
    daemon.command.append("--no-keeper")
    daemon.start()
    assert not is_running(pid) and not keepers_of(daemon)
    assert daemon.data("POST", "/api/model/load", {"model_id": "one"})["model_id"] == "one"


def test_hoistd_goes_on_without_it(start, one_model, tmp_path):
    daemon = start(one_model, "--no-workers", HOIST_KEEPER=str(tmp_path / "none"))
    assert "memory is lost when hoistd crashes" in daemon.log_path.read_text(encoding="utf-8")
    assert daemon.data("POST", "/api/model/load", {"model_id": "one"})["model_id"] == "one"


def test_systemd_may_have_started_it(start, one_model, tmp_path):
    """As hoist-keeper.socket does: the socket is there before anybody, and becomes fd 3 of the keeper."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(state / "keeper.sock"))
        listener.listen()
        keeper = subprocess.Popen(["bash", "-c", f"exec {KEEPER} 3<&{listener.fileno()}"], pass_fds=[listener.fileno()])
    daemon = start(one_model, "--no-workers", "--state", str(state), HOIST_KEEPER_SECONDS="20")
    assert daemon.keeper() == keeper.pid and not keepers_of(daemon)
    assert daemon.stop() == 0
    assert keeper.wait(timeout=5) == 0
