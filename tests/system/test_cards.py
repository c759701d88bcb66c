"""Cards as users see them: which are found and used, how full they are and by whom, and what is said where there is none. On the double of the driver."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
from own_daemon import BUILD, HOISTD, ROOT, wait_until

DRIVER = BUILD / "tests" / "fakecuda" / "libcuda.so.1"
# Python itself has no sanitizer, and loads a double without one.
CLIENT_DRIVER = ROOT / "build" / "tests" / "fakecuda" / "libcuda.so.1" if os.environ.get("HOIST_SANITIZED") else DRIVER
CLIENT = pathlib.Path(__file__).with_name("card_client.py")
MIB = 1 << 20
GIB = 1 << 30
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="the double of the driver is not built")


class Machine:
    """A machine with cards that are doubles: its environment, and a script of what they do otherwise."""

    def __init__(self, folder):
        self.path = folder / "script"
        self.environment = {"HOIST_CUDA_DRIVER": str(DRIVER), "FAKECUDA_STATE": str(folder / "state"), "FAKECUDA_SCRIPT": str(self.path), "FAKECUDA_BYTES": "256M"}

    def script(self, *lines):
        """From now on the driver does this."""
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        new.rename(self.path)

    def refusal(self, folder, *flags, **environment):
        """What hoistd says that does not start with these flags."""
        done = subprocess.run([HOISTD, "--socket", folder / "s.sock", "--state", folder / "s", "--listen", "off", *flags], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, **self.environment, **environment})
        assert done.returncode == 2 and "try: " in done.stderr, done
        return done.stderr


@pytest.fixture
def machine(tmp_path):
    """A machine with a card of 256 MiB."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return Machine(folder)


def devices_of(daemon):
    """Devices by id."""
    return {device["device_id"]: device for device in daemon.data("GET", "/api/device/list")["devices"]}


def driver_of(daemon, device="cuda:0"):
    """What the driver says of a card, once it has been asked."""
    return wait_until(lambda: (driver := daemon.data("GET", f"/api/memory/status/{device}")["driver"])["free_bytes"] is not None and driver)


def doctor_of(daemon, check):
    """A row of hoist doctor."""
    return next(row for row in json.loads(daemon.cli("doctor", "--json").stdout) if row["check"] == check)


def test_every_card_is_a_device_before_the_host(start, one_model, machine):
    daemon = start(one_model, **{**machine.environment, "FAKECUDA_DEVICES": "2", "FAKECUDA_BYTES": "8G,20G"})
    devices = devices_of(daemon)
    assert list(devices) == ["cuda:0", "cuda:1", "host:0"]
    assert [devices[f"cuda:{i}"]["budget_bytes"] for i in (0, 1)] == [8 * GIB - 512 * MIB, 19 * GIB]
    assert devices["cuda:0"]["uuid"].startswith("GPU-") and devices["cuda:0"]["uuid"] != devices["cuda:1"]["uuid"]
    assert devices["cuda:0"]["kind"] == "cuda" and devices["cuda:0"]["used_bytes"] == 0 and devices["host:0"]["driver"] is None
    assert daemon.data("GET", "/api/device/list")["cards"] == {"found": 2, "used": 2, "why": None}


def test_what_names_no_device_goes_to_the_card_and_cpu_is_the_host(start, one_model, machine):
    daemon = start(one_model, **machine.environment)
    assert daemon.data("POST", "/api/model/load", {"model_id": "one"})["device_id"] == "cuda:0"
    assert daemon.data("POST", "/api/model/load", {"model_id": "one", "device_id": "cpu"})["device_id"] == "host:0"
    with daemon.client() as client, client.open("one") as model:
        assert model.device == "cpu"


def test_a_card_is_called_by_its_uuid_and_by_its_kind(start, one_model, machine):
    daemon = start(one_model, "--device", "cuda=128M", **machine.environment)
    uuid = devices_of(daemon)["cuda:0"]["uuid"]
    for name in (uuid, uuid.lower(), "cuda", "cuda:0"):
        assert daemon.data("GET", f"/api/memory/status/{name}")["budget_bytes"] == 128 * MIB
    daemon.stop()
    again = start(one_model, "--device", f"{uuid}=64M", **machine.environment)
    assert list(devices_of(again)) == ["cuda:0", "host:0"] and devices_of(again)["cuda:0"]["budget_bytes"] == 64 * MIB


@pytest.mark.parametrize("flags,texts", [
    (["--device", "cuda:1=1M"], ["cuda:1", "cuda:0 (GPU-"]), (["--device", "cuda:0=257M"], ["268435456"]), (["--device", "cuda:0=0"], ["'0'"]),
    (["--device", "cuda:0", "--device", "cuda=1M"], ["twice"]), (["--device", "GPU-00000000-0000-0000-0000-000000000000=1M"], ["cuda:0 (GPU-"]),
    (["--device-idle-seconds", "0"], ["device_idle_seconds"]), (["--device-idle-seconds", "soon"], ["device_idle_seconds"]),
])
def test_a_card_that_cannot_be_had_keeps_hoistd_from_starting(machine, tmp_path, flags, texts):
    said = machine.refusal(tmp_path, *flags)
    assert all(text in said for text in texts), said


def test_without_a_driver_there_is_the_host_and_the_reason(start, one_model, machine, tmp_path):
    nowhere = {**machine.environment, "HOIST_CUDA_DRIVER": "/nowhere/libcuda.so.1"}
    daemon = start(one_model, **nowhere)
    assert list(devices_of(daemon)) == ["host:0"]
    assert "/nowhere/libcuda.so.1" in daemon.data("GET", "/api/device/list")["cards"]["why"] and "/nowhere/libcuda.so.1" in doctor_of(daemon, "cards")["found"]
    status, answer = daemon.http("POST", "/api/model/load/cuda:0", {"model_id": "one"})
    assert status == 404 and "/nowhere/libcuda.so.1" in answer["error"]["message"]
    assert "/nowhere/libcuda.so.1" in machine.refusal(tmp_path, "--device", "cuda:0=1M", HOIST_CUDA_DRIVER="/nowhere/libcuda.so.1")


def test_a_machine_without_a_card_lacks_nothing(start, one_model):
    daemon = start(one_model)
    if any("cuda:0" in name for name in devices_of(daemon)):
        pytest.skip("there is a card")
    assert list(devices_of(daemon)) == ["host:0"] and daemon.data("GET", "/api/device/list")["cards"]["why"] == "the kernel shows no NVIDIA card"
    assert doctor_of(daemon, "cards")["ok"]


@pytest.mark.parametrize("code,text", [(803, "reboot"), (100, "CUDA_VISIBLE_DEVICES"), (999, "nvidia-uvm"), (46, "busy")])
def test_a_driver_that_fails_is_said_once_and_nothing_else_suffers(start, one_model, machine, code, text):
    machine.script(f"@hoist-device cuInit * = {code}")
    daemon = start(one_model, **machine.environment)
    assert daemon.data("POST", "/api/model/load", {"model_id": "one"})["device_id"] == "host:0"
    found = doctor_of(daemon, "cards")
    assert text in found["found"] and found["advice"] and daemon.log_path.read_text(encoding="utf-8").count("no card is used") == 1


def test_hidden_cards_are_not_there(start, one_model, machine):
    both = {**machine.environment, "FAKECUDA_DEVICES": "2"}
    seen = devices_of(start(one_model, **both))
    second = devices_of(start(one_model, CUDA_VISIBLE_DEVICES="1", **both))
    none = devices_of(start(one_model, CUDA_VISIBLE_DEVICES="", **both))
    assert list(none) == ["host:0"] and list(second) == ["cuda:0", "host:0"]
    assert second["cuda:0"]["uuid"] == seen["cuda:1"]["uuid"]


def test_a_card_that_cannot_share_is_not_used(start, one_model, machine, tmp_path):
    machine.script("set attribute-102 0")
    daemon = start(one_model, **machine.environment)
    assert list(devices_of(daemon)) == ["host:0"] and daemon.data("GET", "/api/device/list")["cards"]["found"] == 1
    assert "share its memory" in doctor_of(daemon, "cards")["found"]
    assert "share its memory" in machine.refusal(tmp_path, "--device", "cuda:0=1M")


def test_only_host_is_asked_for(start, one_model, machine):
    daemon = start(one_model, "--device", "host=64M", **machine.environment)
    assert list(devices_of(daemon)) == ["host:0"] and doctor_of(daemon, "cards")["ok"]


def test_the_driver_says_what_a_card_has(start, one_model, machine):
    machine.script(f"set others {32 * MIB}", "set temperature 61", "set utilization 7", "set ecc 2")
    daemon = start(one_model, **machine.environment)
    daemon.data("POST", "/api/model/load", {"model_id": "one"})
    driver = wait_until(lambda: (found := driver_of(daemon))["used_bytes"] >= 40 * MIB and found)
    assert driver["state"] == "ok" and driver["why"] is None and driver["used_bytes"] + driver["free_bytes"] == 256 * MIB
    assert driver["used_by_others_bytes"] == 32 * MIB and devices_of(daemon)["cuda:0"]["used_bytes"] == 8 * MIB
    assert (driver["temperature_c"], driver["utilization_percent"], driver["ecc_errors"]) == (61, 7, 2)
    assert daemon.data("GET", "/api/model/status/cuda:0")["driver"]["state"] == "ok"


def test_metrics_of_a_card_are_those_of_the_api(start, one_model, machine):
    machine.script(f"set others {32 * MIB}", "set temperature 61")
    daemon = start(one_model, **machine.environment)
    driver_of(daemon)
    lines = daemon.http("GET", "/metrics")[1].splitlines()
    for line in ('hoist_device_up{device="cuda:0"} 1', f'hoist_device_others_bytes{{device="cuda:0"}} {32 * MIB}', f'hoist_device_total_bytes{{device="cuda:0"}} {256 * MIB}',
                 'hoist_device_temperature_celsius{device="cuda:0"} 61'):
        assert line in lines, [shown for shown in lines if "hoist_device" in shown]
    assert not any(line.startswith('hoist_device_up{device="host:0"') for line in lines)


def test_a_card_filled_by_others_is_said_to_be(start, one_model, machine):
    machine.script(f"set others {254 * MIB}")
    daemon = start(one_model, **machine.environment)
    driver_of(daemon)
    status, answer = daemon.http("POST", "/api/model/load", {"model_id": "one", "device_id": "cuda:0"})
    error = answer["error"]
    assert status == 507 and error["code"] == "out_of_device_memory" and error["details"]["device_id"] == "cuda:0"
    assert error["details"]["used_by_others_bytes"] == 254 * MIB and "other programs" in error["details"]["explanation"]
    assert {"required_bytes", "available_bytes", "evictable_bytes", "processes", "process_count"} <= set(error["details"])
    assert devices_of(daemon)["cuda:0"]["used_bytes"] == 0
    wait_until(lambda: "budget cannot be filled" in (doctor_of(daemon, "cuda:0")["advice"] or ""))  # once the driver was asked after the load gave up
    machine.script("set others 0")
    assert daemon.data("POST", "/api/model/load", {"model_id": "one", "device_id": "cuda:0"})["state"] == "done"


def users_of(driver):
    """Processes on a card by name, but hoist's own."""
    return {process["name"]: process for process in driver["processes"] if process["name"] != "hoist-device"}


def test_who_uses_a_card_is_named(start, one_model, machine):
    daemon = start(one_model, **machine.environment)
    daemon.data("POST", "/api/model/load", {"model_id": "one", "device_id": "cuda:0"})
    with subprocess.Popen([sys.executable, CLIENT, daemon.socket, "one", "--share"], stdin=subprocess.PIPE,
                          env={**os.environ, **machine.environment, "HOIST_CUDA_DRIVER": str(CLIENT_DRIVER)}) as client:
        driver = wait_until(lambda: (found := driver_of(daemon))["process_count"] == 2 and found, 20)
        name = pathlib.Path(f"/proc/{client.pid}/comm").read_text(encoding="utf-8").strip()
        assert [process["name"] for process in driver["processes"]].count("hoist-device") == 1 and list(users_of(driver)) == [name]
        user = users_of(driver)[name]
        assert (user["pid"], user["leases"]) == (client.pid, 1) and user["used_bytes"] >= 0
        assert f"{name} (pid {client.pid}, " in doctor_of(daemon, "cuda:0")["found"] and "hoist-device" not in doctor_of(daemon, "cuda:0")["found"]
        client.stdin.close()
    wait_until(lambda: not users_of(driver_of(daemon)), 20)


def test_an_xid_is_a_warning(start, one_model, machine):
    machine.script("set xid 13")
    daemon = start(one_model, "--device-idle-seconds", "4", **machine.environment)
    daemon.data("POST", "/api/model/load", {"model_id": "one", "device_id": "cuda:0"})
    driver = wait_until(lambda: (found := driver_of(daemon))["xid_watched"] and found)
    assert driver["xid"] is None and all(row["check"] != "cuda:0 Xid" for row in json.loads(daemon.cli("doctor", "--json").stdout))
    machine.script("set xid 31")
    assert wait_until(lambda: driver_of(daemon)["xid"]) == 31
    assert "Xid 31" in doctor_of(daemon, "cuda:0 Xid")["found"] and not doctor_of(daemon, "cuda:0 Xid")["ok"]
    wait_until(lambda: driver_of(daemon)["process_count"] == 0, 30)
    assert driver_of(daemon)["xid"] == 31


def test_more_than_the_budget_is_507_with_the_figures(start, one_model, machine):
    daemon = start(one_model, "--device", "cuda:0=4M", **machine.environment)
    status, answer = daemon.http("POST", "/api/model/load", {"model_id": "one", "device_id": "cuda:0"})
    details = answer["error"]["details"]
    assert status == 507 and details["required_bytes"] >= 8 * MIB and details["available_bytes"] == details["device_free_bytes"] == 4 * MIB and details["explanation"] is None


def test_a_lost_card_is_said_to_be_and_the_rest_goes_on(start, one_model, machine):
    daemon = start(one_model, **machine.environment)
    daemon.data("POST", "/api/model/load", {"model_id": "one"})
    machine.script("lost")
    driver = wait_until(lambda: (found := daemon.data("GET", "/api/memory/status/cuda:0")["driver"])["state"] != "ok" and found, seconds=30)
    assert driver["state"] in ("lost", "unavailable") and driver["why"] and driver["free_bytes"] is None
    assert not doctor_of(daemon, "cuda:0")["ok"]
    assert daemon.data("POST", "/api/model/load", {"model_id": "one", "device_id": "host:0"})["state"] == "done"


def test_the_command_line_shows_every_place(start, one_model, machine):
    daemon = start(one_model, **machine.environment)
    assert daemon.cli("load", "one").returncode == 0
    driver_of(daemon)
    status = daemon.cli("status").stdout.splitlines()
    assert [line.split()[0] for line in status] == ["PLACE", "ram", "cuda:0", "host:0"] and "8.0 MiB" in status[2] and " ok " in status[2]
    assert "cuda:0: 8.0 MiB of 192.0 MiB" in daemon.cli("ps").stdout
    row = doctor_of(daemon, "cuda:0")
    assert row["ok"] and "GPU-" in row["found"] and "8.0 MiB of 192.0 MiB used" in row["found"]
