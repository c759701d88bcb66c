"""The command line as people and scripts use it."""
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time

import pytest
from own_daemon import HOIST

COMMANDS = ["serve", "scan", "ls", "show", "verify", "hash", "cache", "evict", "load", "unload", "pin", "unpin", "ps", "status", "plan", "exec", "call", "events", "convert", "doctor"]


def hoist(*arguments, **environment):
    """Run it without a daemon."""
    return subprocess.run([HOIST, *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False,
                          env={**os.environ, "HOIST_SOCKET": "/nowhere/hoist.sock", **environment})


def on_terminal(daemon, *arguments, **environment):
    """(output, exit code) of a run whose output is a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"HOIST_SOCKET": daemon.socket, **environment})
        os.execv(HOIST, [str(HOIST), *arguments])
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_a_man_page(command):
    done = hoist(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"hoist {command}: ") and f"usage: hoist {command}" in done.stdout and "--json" in done.stdout
    page = hoist("--man", command)
    assert page.returncode == 0 and page.stdout.startswith(f".TH HOIST\\-{command} 1")
    shown = subprocess.run(["man", "--warnings", "-l", "-"], input=page.stdout, capture_output=True, text=True, check=False) if os.path.exists("/usr/bin/man") else None
    assert shown is None or (f"hoist {command}" in shown.stdout and shown.stderr == "")


def test_the_overview_lists_every_command():
    for arguments in ([], ["--help"], ["help"], ["-h"]):
        done = hoist(*arguments)
        assert done.returncode == 0 and all(f"\n  {command} " in done.stdout for command in COMMANDS)
    assert re.fullmatch(r"hoist \d+\.\d+\.\d+\n", hoist("--version").stdout)


@pytest.mark.parametrize("shell,check", [("bash", ["bash", "-n"]), ("zsh", None), ("fish", None)])
def test_completion_names_commands_and_options(shell, check, tmp_path):
    done = hoist("--completion", shell)
    assert done.returncode == 0 and all(command in done.stdout for command in COMMANDS) and "precision" in done.stdout
    if check:
        (tmp_path / "completion").write_text(done.stdout)
        assert subprocess.run([*check, tmp_path / "completion"], check=False).returncode == 0
    assert hoist("--completion", "tcsh").returncode == 2


def test_bash_completes(tmp_path):
    (tmp_path / "completion").write_text(hoist("--completion", "bash").stdout)
    script = f'source {tmp_path}/completion; COMP_WORDS=(hoist un); COMP_CWORD=1; $(complete -p hoist | sed "s/.*-F \\([^ ]*\\).*/\\1/"); echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["unload", "unpin"], done


def test_a_terminal_sees_colour_and_a_bar(daemon):
    output, code = on_terminal(daemon, "load", "delta")
    assert code == 0 and "\033[1mdelta\033[0m" in output and "\r\033[K" in output
    output, _ = on_terminal(daemon, "load", "alpha", NO_COLOR="1")
    assert "\033[1m" not in output and "\033[32m" not in output
    assert "\033" not in daemon.cli("load", "beta").stdout


def test_a_pipe_sees_plain_lines(daemon):
    done = daemon.cli("cache", "delta")
    assert "\r" not in done.stderr and "\033" not in done.stderr + done.stdout and done.stderr.startswith("delta: ")


def test_ls_filters(daemon):
    assert {line.split()[0] for line in daemon.cli("ls", "--type", "lora").stdout.splitlines()[1:] if line.strip()} >= {"tiny-sd-style"}
    assert "tiny-llama" in daemon.cli("ls", "--family=llama").stdout and "alpha" not in daemon.cli("ls", "--family=llama").stdout
    assert "gamma" in daemon.cli("ls", "--search", "GAM").stdout
    assert daemon.cli("ls", "--type", "no_such_type").returncode == 2


def test_show_says_why(daemon):
    shown = daemon.cli("show", "tiny-sd-single").stdout
    for text in ("tiny-sd-single", "sd1", "safetensors", "unet", "vae", "text_encoder", "evidence"):
        assert text in shown.lower(), shown


def test_verify_needs_no_daemon(models, tmp_path):
    good = hoist("verify", models / "alpha.safetensors")
    assert good.returncode == 0 and "safetensors" in good.stdout
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((models / "alpha.safetensors").read_bytes()[:-1000])
    bad = hoist("verify", broken)
    assert bad.returncode == 5 and "1000 bytes are missing" in bad.stdout + bad.stderr and "byte " in bad.stdout, bad
    assert json.loads(hoist("verify", broken, "--json").stdout)["problem"]["code"] == "truncated"


def test_scan_of_folders_needs_no_daemon(models):
    done = hoist("scan", models)
    assert done.returncode == 0 and "tiny-sd-single" in done.stdout, done
    listed = json.loads(hoist("scan", models, "--json").stdout)
    assert listed["total_models"] == len(listed["models"]) >= 10
    assert hoist("scan", "/no/such/folder").returncode != 0


def test_ps_names_the_holders_and_their_private_bytes(daemon):
    with daemon.client() as client, client.open("alpha") as model:
        weights = model.numpy()
        name = next(iter(weights))
        weights[name].reshape(-1)[:4096] = 0
        shown = json.loads(daemon.cli("ps", "--json").stdout)
        holder = next(part for part in shown["components"] if part["model_id"] == "alpha")["holders"][0]
        assert holder["pid"] == os.getpid() and 4096 <= holder["private_bytes"] < 1 << 20
        assert str(os.getpid()) in daemon.cli("ps").stdout


def test_what_is_held_stays_and_is_named(daemon):
    daemon.data("POST", "/api/model/load", {"model_id": "beta"})
    with daemon.client() as client, client.open("beta") as model:
        kept = model.numpy()
        for command in ("unload", "evict"):
            done = daemon.cli(command, "beta")
            assert done.returncode == 1 and done.stderr.startswith("kept: ") and str(os.getpid()) in done.stderr, done
        del kept
    assert daemon.cli("unload", "--all").returncode == 0
    assert daemon.cli("unload").returncode == 2 and daemon.cli("unload", "beta", "--all").returncode == 2


def test_pin_and_unpin(daemon):
    assert daemon.cli("pin", "gamma").returncode == 0
    assert daemon.cli("evict", "--all").stderr.startswith("kept: gamma")
    assert daemon.cli("unpin", "gamma").returncode == 0
    assert daemon.cli("evict", "--all").stderr == ""


def test_a_dry_run_loads_nothing(daemon):
    (daemon.library / "gamma.safetensors").read_bytes()  # it may have left the page cache with an earlier test
    plan, dry = daemon.cli("plan", "gamma"), daemon.cli("load", "gamma", "--dry-run")
    assert plan.returncode == dry.returncode == 0 and "is read: 4.0 MiB from the page cache" in plan.stdout and plan.stdout.split("expected")[0] == dry.stdout.split("expected")[0]
    assert daemon.data("GET", "/api/model/cache")["components"] == []
    daemon.data("POST", "/api/model/load", {"model_id": "gamma"})
    assert "nothing to do" in daemon.cli("plan", "gamma").stdout


def test_components_precision_and_level(daemon):
    done = daemon.cli("load", "tiny-sd", "--component", "vae", "--component=unet", "--optimize", "memory", "--pin", "--json")
    job = json.loads(done.stdout)
    assert {part["component_id"] for part in job["loaded_components"]} == {"tiny-sd:vae", "tiny-sd:unet"} and job["optimization_applied"] == "memory"
    assert daemon.cli("unload", "tiny-sd", "--component", "vae").stdout.startswith("1 components")
    daemon.cli("unpin", "tiny-sd")


def test_call_reaches_any_route(daemon):
    assert json.loads(daemon.cli("call", "POST", "/api/model/plan", '{"model_id":"alpha"}').stdout)["model_id"] == "alpha"
    assert json.loads(daemon.cli("call", "POST", "/api/model/plan", "-", input='{"model_id":"alpha"}').stdout)["model_id"] == "alpha"
    assert daemon.cli("call", "POST", "/api/model/plan", "{").returncode == 2


def test_events_are_followed(daemon):
    follower = subprocess.Popen([HOIST, "events", "--socket", daemon.socket], stdout=subprocess.PIPE, text=True)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(iter(follower.stdout.readline, "")))
    reader.start()
    time.sleep(0.3)
    daemon.data("POST", "/api/model/load", {"model_id": "alpha"})
    time.sleep(0.3)
    follower.kill()
    follower.wait()
    reader.join()
    follower.stdout.close()
    assert any("component.state" in line and "tier=ram" in line and "state=cached" in line for line in seen), seen
    assert any("job.progress" in line and "model_id=alpha" in line for line in seen)
    assert daemon.cli("events", "--since", "x").returncode == 2


def test_kept_events_can_be_had_as_json(start, one_model):
    daemon = start(one_model)  # of its own: the last thousand events are kept
    daemon.data("POST", "/api/model/load", {"model_id": "one"})
    follower = subprocess.Popen([HOIST, "events", "--since", "1", "--json", "--socket", daemon.socket], stdout=subprocess.PIPE, text=True)
    first = json.loads(follower.stdout.readline())
    follower.kill()
    follower.wait()
    follower.stdout.close()
    assert first["id"] >= 2 and first["event"] and first["data"]


def test_exec_patches_python_and_replaces_models(daemon):
    program = "import sys, json, safetensors.torch as st; from hoist.safetensors import stats; t = st.load_file(sys.argv[1]); print(json.dumps([len(t), stats()]))"
    done = daemon.cli("exec", "--socket", daemon.socket, "--", sys.executable, "-c", program, "@alpha")
    count, stats = json.loads(done.stdout)
    assert done.returncode == 0 and count == 2 and sum(stats.values()) >= 1, done
    assert daemon.cli("exec", "--", "/no/such/program").returncode == 3
    assert daemon.cli("exec", "--", "true", "@no-such-model").returncode == 3
    assert daemon.cli("exec", "--", "sh", "-c", "exit 7").returncode == 7


def test_serve_runs_the_daemon(tmp_path, one_model):
    process = subprocess.Popen([HOIST, "serve", "--models", str(one_model), "--socket", str(tmp_path / "s.sock"), "--state", str(tmp_path / "state"),
                                "--listen", "off", "--no-workers"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == f"hoistd ready url=off socket={tmp_path}/s.sock\n"
    deadline = time.monotonic() + 20  # it is ready before it has scanned
    while "one" not in hoist("ls", "--socket", tmp_path / "s.sock").stdout:
        assert time.monotonic() < deadline
    process.terminate()
    assert process.wait(5) == 0
    process.stdout.close()


def test_doctor(daemon):
    checks = {row["check"]: row for row in json.loads(daemon.cli("doctor", "--json").stdout)}
    assert checks["daemon"]["ok"] and checks["folders of models"]["ok"]
    assert daemon.cli("doctor").stdout.startswith("ok   daemon: answers")
    assert checks["copies of its own"]["found"].startswith("lie in ")
    alone = hoist("doctor")
    assert alone.returncode == 1 and alone.stdout.startswith("look daemon: ") and "hoist serve" in alone.stdout
