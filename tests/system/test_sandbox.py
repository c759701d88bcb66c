"""hoist-scan, in which model files are parsed: what it may do, and that no file and no kill harms more than one file."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from own_daemon import BUILD, HOISTD
from weight_files import tensor, write

FALSE_SCAN = BUILD / "tests" / "false-scan"
SANITIZED = "HOIST_SANITIZED" in os.environ


def children(pid):
    """Process ids of the children, hoist-scan as they come and go; hoist-keeper always is."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text(encoding="ascii").split()
                      if pathlib.Path(f"/proc/{child}/comm").read_text(encoding="ascii") != "hoist-keeper\n"]
        except OSError:  # the thread has ended
            pass
    return found


def wait_until(holds, seconds=20):
    """Wait until it holds, and return what it gives."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return value


def fill(folder, count):
    """A library of many small models."""
    folder.mkdir(exist_ok=True)
    first = write(folder / "model-0.safetensors", [tensor(f"blocks.{i}.weight", "F16", [4, 4]) for i in range(40)]).read_bytes()
    for i in range(1, count):
        (folder / f"model-{i}.safetensors").write_bytes(first)
    return folder


def is_ready(pid):
    """Is it in the sandbox already?"""
    try:
        return ("NoNewPrivs:\t1" if SANITIZED else "Seccomp:\t2") in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:  # it has ended
        return False


@pytest.fixture
def scanning(start, tmp_path):
    """A daemon in the middle of a scan, and the process id of a hoist-scan that is stopped there: run(*flags) -> (daemon, pid)."""
    def run(*flags):
        library = tmp_path / "models"
        library.mkdir()
        daemon = start(library, "--no-workers", *flags)
        fill(library, 2000)
        daemon.http("POST", "/api/model/scan")
        pid = wait_until(lambda: [child for child in children(daemon.process.pid) if is_ready(child)])[0]
        os.kill(pid, signal.SIGSTOP)
        return daemon, pid
    return run


def states(daemon):
    """How many models are in which state."""
    found = {}
    for model in daemon.data("GET", "/api/model/available?limit=10000")["models"]:
        found[model["state"]] = found.get(model["state"], 0) + 1
    return found


def end_at_once(daemon):
    """SIGKILL, and wait."""
    daemon.process.kill()
    daemon.process.wait()
    daemon.process.stdout.close()


def test_it_has_no_rights(scanning):
    daemon, pid = scanning()
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    limits = {line[:26].strip(): line[26:].split()[:2] for line in pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()}
    assert status["Name"] == "hoist-scan" and status["NoNewPrivs"] == "1" and status["Threads"] == "1"
    assert limits["Max core file size"] == limits["Max processes"] == ["0", "0"]
    if not SANITIZED:
        assert status["Seccomp"] == "2" and limits["Max address space"] == [str(2 << 30)] * 2 and limits["Max file size"] == ["0", "0"]
    try:
        fds = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except PermissionError:  # it hides from everyone but root
        fds = set()
    others = {name for name in fds if not name.startswith("socket:") and not name.endswith(".safetensors")}
    assert not others or SANITIZED, fds
    os.kill(pid, signal.SIGCONT)
    daemon.wait_for_scan()


def test_the_log_says_what_protects(start, one_model):
    log = start(one_model).log_path.read_text(encoding="utf-8")
    assert "parsed in hoist-scan: " in log and "no_new_privs on, limits on" in log
    assert SANITIZED or "seccomp on" in log


def test_the_api_and_doctor_say_it_too(start, one_model):
    daemon = start(one_model)
    assert ("seccomp on" in daemon.data("GET", "/api/model/scan")["sandbox"]) != SANITIZED
    checks = {row["check"]: row for row in json.loads(daemon.cli("doctor", "--json").stdout)}
    assert "seccomp" in checks["parsers of model files"]["found"] and checks["parsers of model files"]["ok"] != SANITIZED
    daemon = start(one_model, "--no-sandbox")
    assert daemon.data("GET", "/api/model/scan")["sandbox"] is None
    checks = {row["check"]: row for row in json.loads(daemon.cli("doctor", "--json").stdout)}
    assert checks["parsers of model files"]["ok"] is False and "--no-sandbox" in checks["parsers of model files"]["advice"]
    assert "parsed in hoistd itself" in daemon.log_path.read_text(encoding="utf-8")


def test_at_rest_there_is_none(start, tmp_path):
    daemon = start(fill(tmp_path / "models", 50), "--no-workers")
    wait_until(lambda: not children(daemon.process.pid))
    fill(tmp_path / "models", 60)
    assert daemon.scan()["files_changed"] > 0
    wait_until(lambda: not children(daemon.process.pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
def test_one_that_is_killed_harms_no_file(scanning, number):
    daemon, pid = scanning()
    os.kill(pid, number)
    os.kill(pid, signal.SIGCONT) if number != signal.SIGKILL else None
    assert daemon.wait_for_scan()["errors"] == 0
    assert states(daemon) == {"ok": 2000}


def test_one_that_is_stopped_is_replaced(scanning):
    daemon, pid = scanning("--scan-timeout", "1")
    assert daemon.wait_for_scan()["errors"] == 0
    assert states(daemon) == {"ok": 2000}
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_a_daemon_that_stops_does_not_wait_for_it(scanning):
    daemon, pid = scanning()
    began = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - began < 4
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_it_ends_with_its_daemon(scanning):
    daemon, pid = scanning()
    end_at_once(daemon)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists() or "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii"))


@pytest.fixture
def taken_over(start, tmp_path):
    """A daemon whose hoist-scan is taken over by some of the files, and the link by which it is found."""
    library = fill(tmp_path / "models", 20)
    for word in ("crash", "kill", "nonsense", "lie", "hang", "leave"):
        (library / f"bad-{word}.safetensors").write_text(word)
    link = tmp_path / "hoist-scan"
    link.symlink_to(FALSE_SCAN)
    return start(library, "--scan-timeout", "1", "--no-workers", HOIST_SCAN=str(link)), link


def test_a_file_that_takes_it_over_harms_itself_alone(taken_over):
    daemon, _ = taken_over
    found = {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}
    bad = {name: model for name, model in found.items() if name.startswith("bad-")}
    assert len(bad) == 6 and all(model["state"] == "invalid" and model["problem"]["code"] == "parser_failed" for model in bad.values()), bad
    assert "crashed (signal 11, SIGSEGV)" in bad["bad-crash"]["problem"]["text"] and "no answer" in bad["bad-hang"]["problem"]["text"]
    assert all(model["state"] == "ok" for name, model in found.items() if name not in bad)
    assert daemon.http("POST", "/api/model/load", {"model_id": "bad-crash"})[0] == 422
    assert daemon.http("POST", "/api/model/load", {"model_id": "model-3"})[0] == 200


def test_what_made_it_fail_is_tried_again_by_the_next_scan(taken_over):
    daemon, link = taken_over
    link.unlink()
    link.symlink_to(BUILD / "hoist-scan")
    daemon.scan()
    found = {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}
    assert found["bad-crash"]["problem"]["code"] == found["bad-hang"]["problem"]["code"] == "unknown_format"


def test_a_file_is_not_called_invalid_when_nobody_could_read_it(taken_over):
    daemon, link = taken_over
    wait_until(lambda: not children(daemon.process.pid))
    link.unlink()
    fill(daemon.library, 25)
    write(daemon.library / "model-0.safetensors", [tensor("changed.weight", "F16", [4, 4])])
    assert daemon.scan()["errors"] > 0
    found = {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}
    assert found["model-0"]["state"] == "ok" and "model-24" not in found
    link.symlink_to(BUILD / "hoist-scan")
    assert daemon.scan()["errors"] == 0
    assert states(daemon)["ok"] == 25


def test_without_it_nothing_is_read_unless_asked_for(one_model, tmp_path):
    environment = {**os.environ, "HOIST_SCAN": str(tmp_path / "none")}
    command = [HOISTD, "--verify", one_model / "one.safetensors"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and json.loads(done.stdout)["error"]["code"] == "worker_unavailable" and str(tmp_path / "none") in done.stdout
    done = subprocess.run([*command, "--no-sandbox"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "ok"


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "3601", ""])
def test_a_timeout_that_is_none_is_refused(one_model, seconds):
    done = subprocess.run([HOISTD, "--verify", one_model / "one.safetensors", "--scan-timeout", seconds], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "scan_timeout" in done.stdout


def large_files(folder):
    """Files with as many tensors as make a parser ask for everything it may ever ask the kernel for."""
    import gguf
    import numpy
    import torch

    count = 30000
    write(folder / "many.safetensors", [tensor(f"model.layers.{i}.mlp.down_proj.weight", "F16", [2]) for i in range(count)])
    tensors = {f"model.layers.{i}.weight": torch.full((2,), i, dtype=torch.float16) for i in range(count)}
    torch.save(tensors, folder / "many.pt")
    torch.save(dict(list(tensors.items())[:3000]), folder / "old.pt", _use_new_zipfile_serialization=False)
    writer = gguf.GGUFWriter(folder / "many.gguf", "llama")
    writer.add_token_list([f"token {i}" for i in range(200000)])
    for i in range(count):
        writer.add_tensor(f"blk.{i}.ffn_down.weight", numpy.zeros(8, dtype=numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {"many.safetensors": count, "many.pt": count, "old.pt": 3000, "many.gguf": count}


def without_times(answer):
    """The same answer, whatever time it took."""
    if isinstance(answer, dict):
        return {key: without_times(value) for key, value in answer.items() if key != "duration_ms"}
    return [without_times(value) for value in answer] if isinstance(answer, list) else answer


def test_large_files_of_every_format_are_read_alike(tmp_path):
    for name in large_files(tmp_path):
        answers = [json.loads(subprocess.run([HOISTD, "--verify", tmp_path / name, *flags], capture_output=True, text=True, check=True).stdout)
                   for flags in ([], ["--no-sandbox"])]
        assert without_times(answers[0]) == without_times(answers[1]) and answers[0]["state"] == "ok" and answers[0]["parameters"] > 0, answers
