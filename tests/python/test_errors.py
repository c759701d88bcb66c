"""Exceptions carry what the daemon said, and belong to the class that their code or category names."""
import json
import pickle

import pytest

import hoist
from hoist import errors


@pytest.mark.parametrize("code, category, kind", [
    ("unreachable", "request", hoist.DaemonUnreachable), ("model_not_found", "request", hoist.NotFound),
    ("component_not_found", "request", hoist.NotFound), ("device_not_found", "device", hoist.DeviceError),
    ("out_of_ram", "memory", hoist.OutOfMemory), ("invalid_file", "format", hoist.FormatError),
    ("incompatible", "compatibility", hoist.CompatibilityError), ("load_failed", "loading", hoist.LoadingError),
    ("worker_gone", "worker", hoist.WorkerError), ("busy", "request", hoist.HoistError), ("io", "io", hoist.HoistError),
])
def test_the_class_of_an_error(code, category, kind):
    assert type(errors.make(-1, code, category, "why")) is kind


def test_fields_come_from_the_error_object():
    body = {"severity": "high", "message": "it does not fit", "recoverable": True, "details": {"required_bytes": 5},
            "recommended_actions": [{"action": "evict", "text": "free some"}]}
    error = errors.make(-20, "out_of_ram", "memory", "short", json.dumps(body))
    assert (error.severity, error.message, error.recoverable, error.details["required_bytes"]) == ("high", "it does not fit", True, 5)
    assert error.recommended_actions[0]["action"] == "evict" and str(error) == "it does not fit"


@pytest.mark.parametrize("text", [None, "", "no json", "[]"])
def test_a_failure_without_error_object_says_what_is_known(text):
    error = errors.make(-71, "unreachable", "request", "nobody answers", text)
    assert error.message == "nobody answers" and error.severity is None and error.recoverable and error.details == {}


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(errors.make(-9, "model_not_found", "request", "no x")))
    assert (type(error), error.code, error.status, str(error)) == (hoist.NotFound, "model_not_found", -9, "no x")


def test_names_that_hoist_does_not_have():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hoist.nothing
    assert {"connect", "Client", "patch_safetensors", "OutOfMemory"} <= set(dir(hoist))
