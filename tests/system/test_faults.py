"""What goes wrong half way leaves the state before it, exactly."""
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest
from own_daemon import HOISTD
from weight_files import tensor, write

MIB = 1 << 20
STEPS = ["validate", "estimate", "allocate", "load", "status"]


def is_ring(path):
    """Is it a ring that a thread of hoistd keeps for its next read (os/rings.h)?"""
    try:
        return "io_uring" in os.readlink(path)
    except OSError:  # it is closed just now
        return False


def open_files(daemon):
    """Descriptors of hoistd, but for its rings."""
    folder = f"/proc/{daemon.process.pid}/fd"
    return sorted(fd for fd in os.listdir(folder) if not is_ring(f"{folder}/{fd}"))


def state_of(daemon):
    """All that a load could change."""
    cache = daemon.data("GET", "/api/model/cache")
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        locked = next(line for line in status if line.startswith("VmLck"))
    maps = open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8").read().count(".safetensors")
    parts = [(part["component_id"], part["ram"], part["devices"], part["leases"], part["pinned"]) for part in daemon.data("GET", "/api/model/components")["components"]]
    return cache["used_bytes"], locked, maps, sorted(parts, key=str), daemon.data("GET", "/api/device/list"), open_files(daemon)


def assert_state(daemon, before):
    """All is as it was; a connection of ours may take a moment to be closed."""
    deadline = time.monotonic() + 1
    while (now := state_of(daemon)) != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert now == before


def large(folder, mib):
    """A sparse model file of so many MiB; reading it takes a while."""
    path = folder / "large.safetensors"
    header = json.dumps({"weight": {"dtype": "U8", "shape": [mib * MIB], "data_offsets": [0, mib * MIB]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + mib * MIB)
    return path


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_leaves_the_exact_state_before(start, models, step):
    daemon = start(models, ram="200M", HOIST_FAULT=f"{step}=io")
    daemon.data("GET", "/api/model/cache")
    with daemon.client() as client:
        client.models()
        before = state_of(daemon)
        status, envelope = daemon.http("POST", "/api/model/load", {"model_id": "tiny-sd", "pin": True})
        assert status == 503 and envelope["error"]["code"] == "io", envelope
        job = envelope["error"]["details"]["jobs"][0]
        assert [row["state"] for row in job["steps"]] == ["done" if i < STEPS.index(step) else "failed" if i == STEPS.index(step) else "skipped" for i in range(5)]
        assert_state(daemon, before)
    assert daemon.data("POST", "/api/model/load", {"model_id": "tiny-sd"})["state"] == "done"


def test_a_load_that_fails_while_it_evicts_brings_the_victims_back(start, tmp_path):
    models = tmp_path / "evicting"
    models.mkdir()
    for name in ("old", "new"):
        write(models / f"{name}.safetensors", [tensor("weight", "U8", [4 * MIB], seed=name)])
    daemon = start(models, ram="6M")
    daemon.data("POST", "/api/model/load", {"model_id": "old"})
    before = state_of(daemon)
    os.truncate(models / "new.safetensors", 4 * MIB)
    status, envelope = daemon.http("POST", "/api/model/load", {"model_id": "new"})
    assert status == 409 and envelope["error"]["code"] == "file_changed"
    assert_state(daemon, before)


def start_loading(daemon, model_id):
    """Start a load and wait until it reads. Returns the job's id."""
    job = daemon.data("POST", "/api/model/load", {"model_id": model_id, "wait": False})["job_id"]
    deadline = time.monotonic() + 20
    while (view := daemon.data("GET", f"/api/model/jobs/{job}"))["done_bytes"] == 0 and view["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
    return job


def wait_for(daemon, job):
    deadline = time.monotonic() + 30
    while (view := daemon.data("GET", f"/api/model/jobs/{job}"))["state"] in ("queued", "running", "rolling_back"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return view


@pytest.fixture
def slow(start, tmp_path):
    """A daemon over a model that takes long enough to disturb its load."""
    models = tmp_path / "slow"
    models.mkdir()
    large(models, 3000)
    # Sanitizers of memory replace mlock by nothing, so that holding pages takes no time: there, a copy is made.
    return start(models, ram="4G", **({"HOIST_FORCE_BACKING": "pages"} if "HOIST_SANITIZED" in os.environ else {}))


def test_a_load_that_is_cancelled(slow):
    before = state_of(slow)
    job = start_loading(slow, "large")
    slow.data("DELETE", f"/api/model/jobs/{job}")
    view = wait_for(slow, job)
    assert view["state"] == "cancelled" and view["error"]["code"] == "cancelled"
    assert_state(slow, before)


@pytest.mark.parametrize("how", ["write", "truncate", "delete", "write and set the time back"])
def test_a_file_that_is_changed_while_it_is_loaded(slow, how):
    path = slow.library / "large.safetensors"
    before, times = state_of(slow), path.stat()
    job = start_loading(slow, "large")
    if how == "delete":
        path.unlink()
    else:
        with open(path, "r+b") as file:
            file.truncate(MIB) if how == "truncate" else file.write(b"x")
        if how.endswith("back"):
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    view = wait_for(slow, job)
    assert view["error"]["code"] == "file_changed", view
    assert_state(slow, before)
    assert slow.http("GET", "/health/ready")[0] == 200


def test_sigterm_in_the_middle_of_a_load(slow):
    start_loading(slow, "large")
    began = time.monotonic()
    assert slow.stop() == 0 and time.monotonic() - began < 5
    assert not os.path.exists(slow.socket)


def test_sigkill_in_the_middle_of_a_load_and_a_new_start(slow):
    start_loading(slow, "large")
    assert slow.stop(signal.SIGKILL) == -signal.SIGKILL
    slow.start()
    assert slow.data("GET", "/api/model/cache")["used_bytes"] == 0
    assert slow.data("POST", "/api/model/load", {"model_id": "large"})["state"] == "done"


def test_eight_ask_for_a_cold_model_at_once_and_it_is_read_once(slow):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(slow.data("POST", "/api/model/load", {"model_id": "large"}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and all(answer["state"] == "done" for answer in answers)
    assert slow.data("GET", "/api/model/cache")["filled_bytes"] <= 1.01 * 3000 * MIB


OPEN_AND_WAIT = """
import hoist, sys, time
client = hoist.connect(sys.argv[1])
model = client.open("one")
tensors = model.numpy()
print("ready", flush=True)
time.sleep(60)
"""


def test_clients_killed_at_any_moment_leave_nothing(start, one_model):
    daemon = start(one_model)
    before = state_of(daemon)
    for delay in [i / 100 for i in range(0, 60, 3)]:
        client = subprocess.Popen([sys.executable, "-c", OPEN_AND_WAIT, daemon.socket], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        client.kill()
        client.wait()
    time.sleep(0.1)
    after = daemon.data("GET", "/api/model/components")["components"][0]
    assert after["leases"] == 0 and after["holders"] == []
    daemon.data("DELETE", "/api/model/unload")
    daemon.data("DELETE", "/api/model/cache")
    assert_state(daemon, before)


def run_hoistd(*arguments, **environment):
    return subprocess.run([HOISTD, *map(str, arguments)], capture_output=True, text=True, timeout=5, check=False, env={**os.environ, **environment})


def test_a_second_daemon_is_refused(daemon, tmp_path):
    same_socket = run_hoistd("--socket", daemon.socket, "--state", tmp_path / "other", "--listen", "off")
    same_state = run_hoistd("--socket", tmp_path / "other.sock", "--state", daemon.folder / "state", "--listen", "off")
    same_port = run_hoistd("--socket", tmp_path / "o.sock", "--state", tmp_path / "o", "--listen", daemon.url.removeprefix("http://"))
    for done in (same_socket, same_state, same_port):
        assert done.returncode == 1 and "hoistd: cannot start" in done.stderr and "try: " in done.stderr and done.stdout == "", done
    assert daemon.http("GET", "/health/ready")[0] == 200


def test_a_socket_left_behind_is_taken_over(start, one_model):
    daemon = start(one_model)
    daemon.stop(signal.SIGKILL)
    assert os.path.exists(daemon.socket)
    daemon.start()
    assert daemon.cli("ls").returncode == 0


@pytest.mark.parametrize("arguments,text", [
    (["--ram", "lots"], "lots"), (["--ram", "0"], "'0'"), (["--ram", "-1"], "-1"), (["--ram", "900%"], "900%"), (["--device", "cuda:0=8G"], "cuda:0"),
    (["--device", "host=1G", "--device", "host=2G"], "twice"), (["--listen", "0.0.0.0:0"], "token"), (["--listen", "nowhere"], "nowhere"),
    (["--listen", "127.0.0.1:99999"], "99999"), (["--listen", "example.org:80"], "example.org"), (["--log", "loud"], "loud"), (["--frob"], "--frob"),
    (["--models"], "--models"), (["--config", "/no/such/file"], "/no/such/file"), (["--socket", "/" + "a" * 200], "socket"),
    (["--token-file", "/no/such/token"], "/no/such/token"), (["--allow-group", "no-such-group"], "no-such-group"),
])
def test_a_wrong_flag_is_one_clear_error(tmp_path, arguments, text):
    done = run_hoistd("--socket", tmp_path / "s.sock", "--state", tmp_path / "state", *([] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]), *arguments)
    assert done.returncode in (1, 2) and text in done.stderr and "hoistd: " in done.stderr and "try: " in done.stderr, done


@pytest.mark.parametrize("content,texts", [
    ("ram: 1G\nmodles: [/tmp]\n", ["line 2", "modles", "models"]), ("ram: [1G\n", ["line"]), ("- ram\n", ["line 1"]), ("ram: {a: b}\n", ["line 1", "ram"]),
    ("ram: 1G\nram: 2G\n", ["line 2", "ram"]), ("ram: lots\n", ["lots"]), ("workers: perhaps\n", ["workers"]),
])
def test_a_broken_line_of_the_configuration_is_named(tmp_path, content, texts):
    config = tmp_path / "hoist.yaml"
    config.write_text(content)
    done = run_hoistd("--config", config, "--socket", tmp_path / "s.sock", "--state", tmp_path / "state", "--listen", "off")
    assert done.returncode == 2 and all(text in done.stderr for text in texts), done


def test_an_unwritable_state_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    done = run_hoistd("--socket", tmp_path / "s.sock", "--state", tmp_path / "file" / "state", "--listen", "off")
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr, done
    done = run_hoistd("--socket", tmp_path / "s.sock", "--state", "/proc/hoist", "--listen", "off")
    assert done.returncode == 1 and "/proc/hoist" in done.stderr, done


def test_a_broken_catalog_is_set_aside_and_made_anew(start, one_model):
    daemon = start(one_model)
    daemon.stop()
    database = daemon.folder / "state" / "catalog.db"
    database.write_bytes(b"this is no database" * 1000)
    daemon.start()
    assert daemon.data("GET", "/api/model/available")["total_models"] == 1
    assert len(list(database.parent.glob("catalog.db.corrupt-1"))) == 1 and "corrupt" in daemon.log_path.read_text()
