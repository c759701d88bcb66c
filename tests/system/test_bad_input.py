"""Every wrong request gets one clear error, over HTTP and on the command line, and changes nothing."""
import json
import os
import struct

import pytest
from weight_files import tensor, write

MIB = 1 << 20
FIELDS = {"code", "category", "severity", "message", "recoverable", "recovery", "recommended_actions", "details"}


def refuse(daemon, method, path, body=None, **headers):
    """(HTTP status, error object) of a request that must fail."""
    status, envelope = daemon.http(method, path, body, **headers)
    assert envelope["success"] is False and envelope["data"] is None and envelope["request_id"] and envelope["timestamp"], envelope
    assert set(envelope["error"]) == FIELDS and envelope["error"]["recommended_actions"], envelope
    return status, envelope["error"]


@pytest.mark.parametrize("method,path,body,status,code", [
    ("GET", "/api/nothing", None, 404, "not_found"),
    ("GET", "/api/models/no-such-model", None, 404, "model_not_found"),
    ("POST", "/api/model/load", {"model_id": "no-such-model"}, 404, "model_not_found"),
    ("POST", "/api/model/cache", {"component_ids": ["alpha:no_such_role"]}, 404, "component_not_found"),
    ("POST", "/api/model/cache", {"component_ids": ["no-such-model:unet"]}, 404, "model_not_found"),
    ("POST", "/api/model/cache", {"component_ids": ["no-colon"]}, 404, "component_not_found"),
    ("GET", "/api/model/cache/alpha:no_such_role", None, 404, "component_not_found"),
    ("POST", "/api/model/load/cuda:0", {"model_id": "alpha"}, 404, "device_not_found"),
    ("GET", "/api/model/status/host:7", None, 404, "device_not_found"),
    ("GET", "/api/memory/status/nowhere", None, 404, "device_not_found"),
    ("GET", "/api/model/jobs/no-such-job", None, 404, "job_not_found"),
    ("DELETE", "/api/model/jobs/no-such-job", None, 404, "job_not_found"),
    ("PUT", "/api/model/load", {"model_id": "alpha"}, 405, "method_not_allowed"),
    ("DELETE", "/api/model/status", None, 405, "method_not_allowed"),
    ("POST", "/api/model/load", {}, 400, "invalid_argument"),
    ("POST", "/api/model/load", None, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": 7}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "modle": 1}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "wait": "yes"}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "components": "unet"}, 404, "component_not_found"),
    ("POST", "/api/model/load", {"model_id": "alpha", "components": {"unet": 1}}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "optimization_level": "turbo"}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "precision": "fp7"}, 400, "invalid_argument"),
    ("POST", "/api/model/load", {"model_id": "alpha", "precision": "int8"}, 422, "incompatible"),
    ("POST", "/api/model/plan", {"model_id": "alpha", "precision": "int8"}, 422, "incompatible"),
    ("POST", "/api/model/load", '{"model_id": ', 400, "malformed_json"),
    ("POST", "/api/model/load", '{"model_id":"alpha","model_id":"beta"}', 400, "malformed_json"),
    ("POST", "/api/model/load", '["alpha"]', 400, "malformed_json"),
    ("POST", "/api/model/load", '{"model_id":"alpha"} x', 400, "malformed_json"),
    ("POST", "/api/model/load", b'{"model_id":"\xff\xfe"}', 400, "malformed_json"),
    ("POST", "/api/model/load", "[" * 100000, 400, "malformed_json"),
    ("POST", "/api/model/load", '{"model_id":"al\\u0000pha"}', 400, "malformed_json"),
    ("POST", "/api/model/cache", {"model_id": None}, 400, "invalid_argument"),
    ("DELETE", "/api/model/unload", {"model_id": None}, 400, "invalid_argument"),
    ("DELETE", "/api/model/unload", '{"model_id"', 400, "malformed_json"),
    ("DELETE", "/api/model/cache", {"component_ids": ["alpha:nothing"]}, 404, "component_not_found"),
    ("DELETE", "/api/model/vram/unload", None, 400, "invalid_argument"),
    ("GET", "/api/model/available?limit=-1", None, 400, "invalid_argument"),
    ("GET", "/api/model/available?limit=many", None, 400, "invalid_argument"),
    ("GET", "/api/model/available?limit=99999999999999999999", None, 400, "invalid_argument"),
    ("GET", "/api/events?last_event_id=x", None, 400, "invalid_argument"),
])
def test_a_wrong_request_changes_nothing(daemon, method, path, body, status, code):
    before = daemon.data("GET", "/api/model/cache")["used_bytes"], daemon.data("GET", "/api/device/list")
    got, error = refuse(daemon, method, path, body)
    assert (got, error["code"]) == (status, code), error
    assert before == (daemon.data("GET", "/api/model/cache")["used_bytes"], daemon.data("GET", "/api/device/list"))


def test_a_refused_method_names_those_that_are_taken(daemon):
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(daemon.url + "/api/model/load", method="PUT"))
    assert caught.value.headers["Allow"] == "POST"


@pytest.mark.parametrize("arguments,code,text", [
    (["show", "no-such-model"], 3, "no-such-model"),
    (["load", "no-such-model"], 3, "no-such-model"),
    (["load", "alpha", "--component", "no_such_role"], 3, "no_such_role"),
    (["load", "alpha", "--device", "cuda:9"], 3, "cuda:9"),
    (["load", "alpha", "--precision", "fp7"], 2, "fp7"),
    (["load", "alpha", "--precision", "int8"], 1, "bf16"),
    (["load"], 2, "MODEL"),
    (["load", "alpha", "--no-such-option"], 2, "--no-such-option"),
    (["frobnicate"], 2, "frobnicate"),
    (["verify", "/no/such/file"], 3, "/no/such/file"),
    (["verify", "/etc/passwd"], 5, "/etc/passwd"),
    (["verify", "/etc"], 5, "/etc"),
    (["call", "GET", "/api/nothing"], 3, "/api/nothing"),
    (["ls", "--limit"], 2, "--limit"),
])
def test_the_command_line_says_what_failed_and_what_to_try(daemon, arguments, code, text):
    done = daemon.cli(*arguments)
    assert done.returncode == code, done
    assert text in done.stderr + done.stdout and "\n" in done.stderr + done.stdout
    if arguments[0] != "verify":
        assert done.stderr.startswith("hoist: "), done


def test_a_daemon_that_is_not_there_is_69(daemon, tmp_path):
    done = daemon.cli("ls", "--socket", tmp_path / "none.sock")
    assert done.returncode == 69 and "try: " in done.stderr


def holder_lines(daemon, body):
    status, error = refuse(daemon, "POST", "/api/model/load", body)
    assert status == 507, error
    return error


def test_too_large_for_ram_says_by_how_much_and_who_holds_what(start, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for name, size in (("small", 6), ("medium", 20), ("large", 40)):
        write(models / f"{name}.safetensors", [tensor("weight", "U8", [size * MIB])])
    daemon = start(models, ram="24M")
    error = holder_lines(daemon, {"model_id": "large"})
    assert error["code"] == "out_of_ram" and error["category"] == "memory"
    assert error["details"]["required_bytes"] >= 40 * MIB and error["details"]["available_bytes"] == 24 * MIB and error["details"]["evictable_bytes"] == 0
    with daemon.client() as client, client.open("small") as held:
        assert held.numpy()
        error = holder_lines(daemon, {"model_id": "medium"})
        holders = [(row["component_id"].split(":")[0], row["bytes"] >= 6 * MIB, [holder["pid"] for holder in row["holders"]])
                   for row in error["details"]["holders"]]
        assert holders == [("small", True, [os.getpid()])], error
        assert error["details"]["evictable_bytes"] == 0
        done = daemon.cli("load", "medium")
        assert done.returncode == 4 and "small" in done.stderr and str(os.getpid()) in done.stderr, done.stderr
    assert daemon.http("POST", "/api/model/load", {"model_id": "medium"})[0] == 200


def test_too_large_for_the_device(start, one_model):
    daemon = start(one_model, "--device", "host=1M")
    error = holder_lines(daemon, {"model_id": "one"})
    assert error["code"] == "out_of_device_memory" and error["details"]["required_bytes"] == 8 * MIB and error["details"]["available_bytes"] == MIB
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


def broken_files(folder):
    """(name, code) of files that are no models, each broken in its way."""
    good = write(folder / "good.safetensors", [tensor("weight", "F32", [256])]).read_bytes()
    length = struct.unpack("<Q", good[:8])[0]
    cases = {
        "short": (good[:-4], "truncated"),
        "long": (good + b"x", "invalid_file"),
        "empty": (b"", None),
        "header-only": (good[:6], None),
        "huge-header": (struct.pack("<Q", 1 << 62) + good[8:], None),
        "no-json": (struct.pack("<Q", length) + b"x" * length + good[8 + length:], None),
        "web-page": (b"<!DOCTYPE html><html>not found</html>", None),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", None),
    }
    for name, (content, _) in cases.items():
        (folder / f"{name}.safetensors").write_bytes(content)
    return {name: code for name, (_, code) in cases.items()}


def test_broken_files_are_listed_as_such_and_refused(start, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    codes = broken_files(models)
    daemon = start(models)
    found = {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}
    assert found["good"]["state"] == "ok"
    for name, code in codes.items():
        assert found[name]["state"] == "invalid" and found[name]["problem"]["text"], found[name]
        assert code in (None, found[name]["problem"]["code"]), found[name]
        status, error = refuse(daemon, "POST", "/api/model/load", {"model_id": name})
        assert status == 422 and error["category"] == "format" and error["code"] == found[name]["problem"]["code"]
        assert daemon.cli("load", name).returncode == 5
        checked = daemon.cli("verify", models / f"{name}.safetensors", "--json")
        assert checked.returncode == 5 and json.loads(checked.stdout)["problem"]["code"] == error["code"], checked


@pytest.mark.parametrize("how,code,status", [("change", "file_changed", 409), ("delete", "file_missing", 422), ("truncate", "file_changed", 409)])
def test_a_file_that_is_not_what_was_scanned(start, one_model, how, code, status):
    daemon = start(one_model)
    path = one_model / "one.safetensors"
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        os.truncate(path, 4 * MIB)
    else:
        with open(path, "r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(b"abcd")
    got, error = refuse(daemon, "POST", "/api/model/load", {"model_id": "one"})
    assert (got, error["code"]) == (status, code), error
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


def test_a_body_by_query_and_by_json_mean_the_same(daemon):
    daemon.data("POST", "/api/model/load", {"model_id": "alpha"})
    daemon.data("POST", "/api/model/load", {"model_id": "beta"})
    assert [row["component_id"].split(":")[0] for row in daemon.data("DELETE", "/api/model/unload?model_id=alpha")["unloaded_components"]] == ["alpha"]
    assert [row["component_id"].split(":")[0] for row in daemon.data("DELETE", "/api/model/unload", {})["unloaded_components"]] == ["beta"]
