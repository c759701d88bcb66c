"""Weights on a card (the double of the driver): one copy for everybody, counted once, kept over the death of everybody else, and given back to the byte."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from own_daemon import BUILD, ROOT, wait_until
from weight_files import tensor, write

MIB = 1 << 20
DRIVER = BUILD / "tests" / "fakecuda" / "libcuda.so.1"
# Python itself has no sanitizer, and loads a double without one.
CLIENT_DRIVER = ROOT / "build" / "tests" / "fakecuda" / "libcuda.so.1" if os.environ.get("HOIST_SANITIZED") else DRIVER
SHARED = [tensor(f"first_stage_model.decoder.{i}.weight", "F32", [MIB // 4]) for i in range(4)]  # 4 MiB, equal everywhere
CLIENT = pathlib.Path(__file__).with_name("card_client.py")


def unet(seed, parts):
    """A MiB each that no other model has, and sizes that fill no page."""
    return [tensor(f"model.diffusion_model.input_blocks.{i}.0.weight", "F16", [4, MIB // 8], seed) for i in range(parts)] + [
        tensor("model.diffusion_model.out.0.bias", "F32", [321], seed)]


@pytest.fixture
def library(tmp_path):
    """Two checkpoints with the same VAE, and one that nothing is like."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder / "one.safetensors", unet(1, 7) + SHARED)
    write(folder / "two.safetensors", unet(2, 7) + SHARED)
    write(folder / "big.safetensors", unet(3, 30))
    write(folder / "half.safetensors", unet(4, 1) + SHARED[:2] + [tensor(f"first_stage_model.decoder.{i}.weight", "F32", [MIB // 4], 4) for i in (2, 3)])
    return folder


class Card:
    """A machine with a card: what its processes need to know, and the daemon that is started on it."""

    def __init__(self, start, library, folder, size):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="fakecuda-test-", dir="/dev/shm"))
        self.script = folder / "script"
        self.environment = {"HOIST_CUDA_DRIVER": str(DRIVER), "FAKECUDA_STATE": str(self.state), "FAKECUDA_BYTES": str(size), "FAKECUDA_SCRIPT": str(self.script)}
        self.arguments = (start, library)
        self.daemon = None

    def boot(self, *flags, **more):
        """Start hoistd."""
        start, library = self.arguments
        self.daemon = start(library, *flags, **self.environment, **more)
        return self

    def say(self, *lines):
        """Tell the driver what to do from now on."""
        new = self.script.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        new.rename(self.script)

    def used(self):
        """Bytes of the card by the driver's account: of files that somebody holds."""
        output = subprocess.run([BUILD / "hoist-device", "list"], env={**os.environ, **self.environment}, capture_output=True, text=True, check=True).stdout
        return int(re.search(r"used_bytes=(\d+)", output).group(1))

    def books(self):
        """hoist's own account."""
        return self.daemon.data("GET", "/api/model/status/cuda:0")["memory"]["used_bytes"]

    def settles_at(self, size):
        """Both accounts come to this."""
        wait_until(lambda: (self.books(), self.used()) == (size, size), 20)

    def load(self, model, device="cuda:0", **wish):
        """Load it there: the job."""
        return self.daemon.data("POST", f"/api/model/load/{device}", {"model_id": model, **wish})

    def tries(self, model, **wish):
        """Status and error of a load that may fail."""
        status, answer = self.daemon.http("POST", "/api/model/load/cuda:0", {"model_id": model, **wish})
        return status, answer.get("error")

    def unload(self, model):
        """Take it off."""
        return self.daemon.data("DELETE", "/api/model/unload/cuda:0", {"model_id": model})

    def loaded(self):
        """{component: row} of what is there."""
        return {row["component_id"]: row for row in self.daemon.data("GET", "/api/model/status/cuda:0")["loaded_components"]}

    @contextlib.contextmanager
    def attached(self, model, *options):
        """A process that has the model open. Its `ask(word)` answers with JSON."""
        process = subprocess.Popen([sys.executable, CLIENT, self.daemon.socket, model, *options], env={**os.environ, **self.environment, "HOIST_CUDA_DRIVER": str(CLIENT_DRIVER)},
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.ask = lambda word: (process.stdin.write(word + "\n"), process.stdin.flush(), json.loads(process.stdout.readline()))[2]
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def card(start, library, tmp_path):
    """A machine with a card of 64 MiB, and hoistd on it, with 56 MiB of it."""
    machine = Card(start, library, tmp_path, 64 * MIB)
    yield machine.boot("--device", "cuda:0=56M", "--device", "host=512M")
    shutil.rmtree(machine.state, ignore_errors=True)


def hashed(card):
    """The tensors of all models are known by what is in them."""
    for model in ("one", "two", "big", "half"):
        assert card.daemon.cli("hash", model).returncode == 0


def sums(path):
    """{key: sum of its bytes} of a file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        base = file.tell()
        return {name: sum((file.seek(base + row["data_offsets"][0]), file.read(row["data_offsets"][1] - row["data_offsets"][0]))[1]) for name, row in header.items()}


def test_equal_tensors_of_two_models_are_there_once_and_go_with_the_last(card):
    hashed(card)
    one, two = card.load("one"), card.load("two")
    parts = {part["component_id"]: part["vram_bytes"] for job in (one, two) for part in job["loaded_components"]}
    assert parts["one:vae"] == 4 * MIB and parts["two:vae"] == 0 and parts["one:model"] == parts["two:model"] == 8 * MIB
    card.settles_at(20 * MIB)
    assert card.loaded()["two:vae"]["shared_bytes"] == 4 * MIB
    assert card.unload("one")["freed_bytes"] == 8 * MIB
    card.settles_at(12 * MIB)
    assert card.unload("two")["freed_bytes"] == 12 * MIB
    card.settles_at(0)


def test_what_was_not_known_to_be_equal_becomes_one_when_it_is(card, library):
    card.load("one")
    card.load("two")
    card.settles_at(24 * MIB)
    with card.attached("two", "--share") as a:
        before = a.ask("sums")
        hashed(card)
        card.settles_at(20 * MIB)  # the other one moved to the copy that is leased
        assert a.ask("sums") == before == sums(library / "two.safetensors")
    with card.attached("one", "--share") as a:
        assert a.ask("sums") == sums(library / "one.safetensors")
    card.unload("two")
    card.settles_at(12 * MIB)


def test_memory_that_lives_on_for_a_few_tensors_is_made_whole(card, library):
    hashed(card)
    card.load("one")
    card.load("half")
    card.unload("one")
    card.settles_at((2 + 4 + 2) * MIB)
    done = card.daemon.data("POST", "/api/memory/operations/defragment/cuda:0")
    assert (done["freed_bytes"], done["components"]) == (2 * MIB, 1) and done["before"]["live_bytes"] == done["after"]["live_bytes"] < done["after"]["used_bytes"]
    card.settles_at(6 * MIB)
    with card.attached("half", "--share") as a:
        assert a.ask("sums") == sums(library / "half.safetensors")


@pytest.mark.parametrize("options", [["--share"], []])
def test_every_process_finds_the_bytes_of_the_file(card, library, options):
    hashed(card)
    card.load("one")
    with card.attached("two", *options) as a, card.attached("two", *options) as b:
        assert a.ask("sums") == b.ask("sums") == sums(library / "two.safetensors")
        card.settles_at((20 if options else 12 + 2 * 12) * MIB)
        a.stdin.write("write\n")
        a.stdin.flush()
        assert json.loads(a.stdout.readline() or "null") == (None if options else 0) and (not options or a.wait() == -signal.SIGSEGV)
        assert b.ask("sums") == sums(library / "two.safetensors")
    card.settles_at((20 if options else 12) * MIB)


def test_memory_of_ones_own_goes_with_the_process_and_is_counted_meanwhile(card):
    with card.attached("one") as a:
        a.ask("sums")
        rows = [row for row in card.daemon.data("GET", "/api/model/components")["components"] if row["component_id"] == "one:vae"]
        assert [row["private"] for row in rows[0]["residencies"] if row["tier"] == "device"] == [True] and rows[0]["holders"][0]["pid"] == a.pid
        card.settles_at(12 * MIB)
        assert card.unload("one")["unloaded_components"] == []
    card.settles_at(0)


def test_what_is_leased_is_not_taken_away_and_goes_when_asked_afterwards(card):
    with card.attached("one", "--share") as a:
        a.ask("sums")
        answer = card.unload("one")
        assert answer["unloaded_components"] == [] and {row["holders"][0]["pid"] for row in answer["leased_components"]} == {a.pid}
    wait_until(lambda: card.loaded()["one:vae"]["leases"] == 0)
    assert len(card.unload("one")["unloaded_components"]) == 2
    card.settles_at(0)


def test_attaching_what_is_there_reads_nothing_and_needs_no_ram(card):
    card.load("one")
    card.daemon.data("DELETE", "/api/model/cache", {"model_id": "one"})
    with card.attached("one", "--share") as a:
        assert len(a.ask("sums")) == 12
    cache = card.daemon.data("GET", "/api/model/cache")
    assert cache["used_bytes"] == 0 and card.load("one")["read_bytes"] == 0


def test_level_memory_brings_it_from_the_file_without_ram(card, library):
    job = card.load("big", optimization_level="memory")
    assert job["read_bytes"] >= 30 * MIB and card.daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
    with card.attached("big", "--share") as a:
        assert a.ask("sums") == sums(library / "big.safetensors")


def converted(library, model):
    """{key: sum of bytes} of a file whose fp16 numbers become fp32."""
    import torch
    from safetensors.torch import load_file

    return {name: int(value.to(torch.float32).contiguous().view(torch.uint8).sum()) for name, value in load_file(library / f"{model}.safetensors").items()}


@pytest.mark.parametrize("line", [None, "@hoist-device cuModuleLoadData 1+ = 221"])
def test_the_card_converts_what_ram_has_as_stored_and_the_host_where_it_cannot(card, library, line):
    card.daemon.data("POST", "/api/model/cache", {"model_id": "one"})
    before = card.daemon.data("GET", "/api/model/cache")["used_bytes"]
    card.say(*([line] if line else []))
    job = card.load("one", precision="fp32", optimization_level="speed")
    used = card.daemon.data("GET", "/api/model/cache")["used_bytes"]
    assert (used > before) == (line is not None) and job["replans"] == (line is not None)
    with card.attached("one", "--share", "--fp32") as a:
        assert a.ask("sums") == converted(library, "one")


def test_level_memory_converts_on_the_card_what_it_reads_from_the_file(card, library):
    card.load("one", precision="fp32", optimization_level="memory")
    assert card.daemon.data("GET", "/api/model/cache")["used_bytes"] == 0
    with card.attached("one", "--share", "--fp32") as a:
        assert a.ask("sums") == converted(library, "one")


def test_a_dry_run_says_what_the_load_then_does(card):
    hashed(card)
    card.load("one")
    plan = card.daemon.data("POST", "/api/model/plan", {"model_id": "two", "device_id": "cuda:0"})
    assert plan["device_bytes"] == card.load("two")["vram_usage_bytes"] == 8 * MIB


def test_room_is_made_and_too_much_is_refused_with_the_figures(card):
    card.load("one")
    card.load("big")
    assert set(card.loaded()) == {"one:model", "one:vae", "big:model"}
    card.load("two")  # 12 + 31 + 12 do not fit into 56 with room for copies that are not known to be equal
    with card.attached("big", "--share") as a:
        a.ask("sums")
        status, error = card.tries("big", precision="fp32")
    assert status == 507 and error["code"] == "out_of_device_memory" and error["details"]["required_bytes"] > error["details"]["available_bytes"]


def test_a_card_that_others_fill_has_room_made_on_it_once_and_then_says_what_is_missing(card):
    card.load("one")
    card.say(f"set others {24 * MIB}")  # 40 MiB are left: 32 for big, and 8 or 4 of the 12 that one has
    assert card.load("big")["state"] == "done" and "big:model" in card.loaded() and len(card.loaded()) == 2
    card.unload("big")
    stays = card.books()
    card.say(f"set others {40 * MIB}")
    status, error = card.tries("big")
    assert status == 507 and "beside what others use" in error["message"] and error["details"]["available_bytes"] <= 24 * MIB
    card.say()
    card.settles_at(stays)


def restarted(card):
    """hoistd dies without a word, and another comes."""
    card.daemon.process.kill()
    card.daemon.process.wait()
    card.daemon.process.stdout.close()
    card.daemon.start()


def test_a_killed_hoistd_takes_nothing_from_the_card_or_from_those_who_compute(card, library):
    hashed(card)
    card.load("one")
    card.load("big", pin=True)
    with card.attached("two", "--share") as a:
        before = (a.ask("sums"), card.loaded())
        restarted(card)
        wait_until(lambda: set(card.loaded()) == set(before[1]), 20)
        assert a.ask("sums") == before[0] and card.loaded()["two:model"]["leases"] == 1 and card.loaded()["big:model"]["pinned"]
        card.settles_at(52 * MIB)
        assert card.unload("two")["unloaded_components"] == [] and card.load("two")["read_bytes"] == 0
    wait_until(lambda: card.loaded()["two:model"]["leases"] == 0)
    for model in ("two", "one", "big"):
        card.unload(model)
    card.settles_at(0)


def test_what_a_client_still_has_of_a_model_that_is_gone_stays_counted(card, library):
    with card.attached("one", "--share") as a:
        a.ask("sums")
        card.daemon.process.kill()
        card.daemon.process.wait()
        card.daemon.process.stdout.close()
        (library / "one.safetensors").unlink()
        card.daemon.start()
        assert card.books() == 12 * MIB and len(a.ask("sums")) == 12
    card.settles_at(0)


def helpers(card):
    """Processes of hoist-device that serve."""
    return [int(pid) for pid in subprocess.run(["pgrep", "-P", str(card.daemon.process.pid), "hoist-device"], capture_output=True, text=True, check=False).stdout.split()]


def test_a_helper_that_is_killed_is_started_again_and_nothing_is_lost(card, library):
    card.load("one")
    with card.attached("one", "--share") as a:
        for pid in helpers(card):
            os.kill(pid, signal.SIGKILL)
        assert a.ask("sums") == sums(library / "one.safetensors")
        assert card.load("big")["state"] == "done" and set(card.loaded()) == {"one:model", "one:vae", "big:model"}


@pytest.mark.parametrize("line", ["@hoist-device cuMemcpyHtoDAsync 3 kill once", "@hoist-device cuMemcpyHtoDAsync 3 late 700 once", "@hoist-device cuMemCreate 1 kill once"])
def test_a_helper_that_dies_at_work_costs_a_repetition(card, line):
    card.say(line)
    assert card.tries("big")[0] in (200, 503)
    assert card.load("big")["state"] == "done"
    card.settles_at(32 * MIB)


def test_a_lost_card_says_so_and_has_again_what_ram_has_when_it_is_back(card):
    card.load("one")
    pid = card.daemon.process.pid
    card.say("lost")
    status, error = card.tries("big")
    assert status == 503 and error["code"] in ("device_lost", "device_unavailable", "device_failed")
    wait_until(lambda: card.loaded() == {}, 20)
    assert card.daemon.data("GET", "/api/model/cache")["used_bytes"] > 10 * MIB
    card.say()
    wait_until(lambda: set(card.loaded()) == {"one:model", "one:vae"}, 30)
    assert card.daemon.process.pid == pid and card.daemon.process.poll() is None


def calls_of_a_load(card, folder):
    """How many calls of the driver a load makes in hoist-device."""
    log = folder / "calls"
    card.say(f"@hoist-device cu* * count {log}")
    card.load("one")
    card.unload("one")
    card.say()
    return len(log.read_text(encoding="ascii").splitlines())


@pytest.mark.parametrize("code", [2, 1, 700])
def test_whatever_call_of_a_load_fails_leaves_all_as_it_was(card, tmp_path, code):
    card.load("two")
    count = calls_of_a_load(card, tmp_path)
    step = 1 if os.environ.get("HOIST_LONG") else max(1, count // 12)
    assert count > 10
    for number in range(1, count + 1, step):
        card.say(f"@hoist-device cu* {number} = {code}{' sticky' if code == 700 else ''} once")
        status, error = card.tries("one")
        assert status in (200, 503, 507), error
        card.say()
        if status == 200:  # a card without memory has room made on it
            card.unload("one")
            card.load("two")
        wait_until(lambda: set(card.loaded()) == {"two:model", "two:vae"}, 30)
        card.settles_at(12 * MIB)


def test_a_cancelled_load_gives_everything_back(card):
    card.say("@hoist-device cuMemcpyHtoDAsync * delay 300")
    job = card.load("big", wait=False)
    wait_until(lambda: card.daemon.data("GET", f"/api/model/jobs/{job['job_id']}")["step"] == "load")
    card.daemon.data("DELETE", f"/api/model/jobs/{job['job_id']}")
    wait_until(lambda: card.daemon.data("GET", f"/api/model/jobs/{job['job_id']}")["state"] == "cancelled", 20)
    card.say()
    card.settles_at(0)


def test_a_dozen_that_are_killed_leave_nothing(card):
    card.load("one")
    for _ in range(6):
        with card.attached("one", "--share") as a, card.attached("two") as b:
            b.ask("sums")
            a.kill()
            b.kill()
    card.settles_at(12 * MIB)
    assert {row["leases"] for row in card.loaded().values()} == {0}


def test_eight_that_ask_at_once_are_served_by_one_copy(card):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(card.attached("one", "--share")) for _ in range(8)]
        assert len({json.dumps(client.ask("sums")) for client in clients}) == 1
        card.settles_at(12 * MIB)
        assert card.loaded()["one:vae"]["leases"] == 8


def test_its_time_is_over_and_it_goes(card):
    card.load("one", ttl_seconds=1)
    time.sleep(0.2)
    assert card.loaded()
    wait_until(lambda: not card.loaded(), 20)
    card.settles_at(0)


def test_of_two_cards_the_one_with_the_model_is_taken_or_the_one_with_room(start, library, tmp_path):
    machine = Card(start, library, tmp_path, 64 * MIB).boot("--device", "cuda:0=56M", "--device", "cuda:1=56M", "--device", "host=512M", FAKECUDA_DEVICES="2")
    try:
        load = lambda model: machine.daemon.data("POST", "/api/model/load", {"model_id": model})["device_id"]  # noqa: E731
        assert (load("one"), load("big"), load("one")) == ("cuda:0", "cuda:1", "cuda:0")
        plan = machine.daemon.data("POST", "/api/model/plan", {"model_id": "big"})
        assert plan["device_id"] == "cuda:1" and plan["device_bytes"] == 0
    finally:
        shutil.rmtree(machine.state, ignore_errors=True)


def test_ps_shows_what_is_on_the_card_alone_in_another_precision_and_for_one_process(card):
    card.load("one", precision="fp32", optimization_level="memory")
    with card.attached("one") as a:
        a.ask("sums")
        shown = card.daemon.cli("ps").stdout
    card.daemon.data("DELETE", "/api/model/cache")
    assert "one:model (fp32)  cuda:0  loaded" in shown and "one:model         cuda:0  private" in shown and str(a.pid) in shown
    assert "one:model (fp32)  cuda:0  loaded" in card.daemon.cli("ps").stdout


def test_a_helper_without_work_ends_and_is_no_zombie(start, library, tmp_path):
    machine = Card(start, library, tmp_path, 64 * MIB).boot("--device", "cuda:0=56M", "--device-idle-seconds", "1")
    try:
        machine.load("one")
        assert helpers(machine)
        wait_until(lambda: not helpers(machine), 30)
        assert set(machine.loaded()) == {"one:model", "one:vae"}
    finally:
        shutil.rmtree(machine.state, ignore_errors=True)
