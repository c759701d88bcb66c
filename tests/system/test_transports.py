"""Every transport answers alike: the same verbs, the same envelopes, the same errors."""
import json

import hoist
import pytest

CALLS = [
    ("GET", "/api/model/status", None), ("GET", "/api/model/available?limit=2&offset=1", None), ("GET", "/api/models/tiny-sd", None), ("GET", "/api/device/list", None),
    ("GET", "/api/model/components/vae", None), ("GET", "/api/model/cache", None), ("POST", "/api/model/plan", {"model_id": "alpha"}),
    ("GET", "/api/nothing", None), ("PUT", "/api/model/load", {}), ("POST", "/api/model/load", {}), ("POST", "/api/model/load", {"model_id": "none"}),
    ("GET", "/api/model/jobs/none", None), ("DELETE", "/api/model/cache", {"component_ids": ["alpha:none"]}), ("GET", "/api/model/available?limit=-1", None),
]


def over_http(daemon, method, path, body):
    return daemon.http(method, path, body)[1]


def over_socket(daemon, method, path, body):
    with daemon.client() as client:
        try:
            return {"success": True, "data": client.call(method, path, body), "error": None}
        except hoist.HoistError as error:
            return {"success": False, "data": None, "error": {"code": error.code, "message": str(error)}}


@pytest.mark.parametrize("method,path,body", CALLS)
def test_http_and_the_socket_say_the_same(daemon, method, path, body):
    http, unix = over_http(daemon, method, path, body), over_socket(daemon, method, path, body)
    assert http["success"] == unix["success"]
    if http["success"]:
        assert json.dumps(http["data"], sort_keys=True) == json.dumps(unix["data"], sort_keys=True)
    else:
        assert http["error"]["code"] == unix["error"]["code"] and http["error"]["message"] in unix["error"]["message"]


def test_the_command_line_says_it_too(daemon):
    for method, path, body in CALLS:
        done = daemon.cli("call", method, path, *([json.dumps(body)] if body is not None else []))
        http = over_http(daemon, method, path, body)
        if http["success"]:
            assert json.loads(done.stdout) == http["data"]
        else:
            assert done.returncode != 0 and http["error"]["message"] in done.stderr
