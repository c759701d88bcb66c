"""A worker process speaks JSON lines and nothing else on stdout."""
import io
import json
import os
import signal
import subprocess
import sys

import pytest

import hoist
from hoist.worker import Worker, operation


class Mine(Worker):
    @operation("double")
    def double(self, value):
        print("printed by the operation")
        os.write(1, b"written by C\n")
        return 2 * value

    @operation("nan")
    def nan(self):
        return float("nan")

    @operation("fail")
    def fail(self):
        raise hoist.NotFound("no such voice", code="model_not_found", category="request")


def converse(*lines):
    """Answers of a worker in this process to some lines, after the ready message."""
    answers = io.StringIO()
    Mine("processing").run(io.StringIO("".join(line + "\n" for line in lines)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def request(operation, number=1, **params):
    return json.dumps({"id": number, "operation": operation, "params": params})


def test_says_first_what_it_can_do():
    assert converse()[0] == {"ready": True, "domain": "processing", "pid": os.getpid(), "operations": ["double", "fail", "nan", "ping"]}


def test_answers_in_order():
    assert converse(request("double", 1, value=3), request("double", 2, value=[1]))[1:] == [
        {"id": 1, "ok": True, "result": 6}, {"id": 2, "ok": True, "result": [1, 1]}]


@pytest.mark.parametrize("line, kind", [
    (request("nope"), "ValueError"), (request("double"), "TypeError"), (request("nan"), "ValueError"), ("no json", "JSONDecodeError")])
def test_says_what_went_wrong_and_goes_on(line, kind):
    failed, alive = converse(line, request("ping", 2))[1:]
    assert failed["ok"] is False and failed["error"]["type"] == kind
    assert alive["ok"] is True


def test_a_hoist_error_keeps_its_code():
    assert converse(request("fail"))[1]["error"] == {"type": "NotFound", "message": "no such voice", "code": "model_not_found"}


SCRIPT = """
import os, sys
sys.path.insert(0, {folder!r})
from test_worker_protocol import Mine
Mine("processing").run()
"""


def start(*arguments):
    return subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_prints_go_to_stderr():
    process = start("-c", SCRIPT.format(folder=os.path.dirname(__file__)))
    out, err = process.communicate(request("double", value=1) + "\n", timeout=60)
    assert [json.loads(line).get("result") for line in out.splitlines()] == [None, 2]
    assert "printed by the operation" in err and "written by C" in err


@pytest.mark.parametrize("domain, operations", [("processing", ["digest", "ping"]), ("postprocessing", ["ping", "rank"])])
def test_built_in_workers_start_and_end_with_their_input(domain, operations):
    process = start("-m", "hoist.worker", "--domain", domain)
    ready = json.loads(process.stdout.readline())
    assert ready["operations"] == operations and ready["pid"] == process.pid
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_sigterm_ends_it():
    process = start("-m", "hoist.worker", "--domain", "processing")
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM


def test_dies_with_its_parent():
    parent = start("-c", "import subprocess, sys, time\n"
                   "child = subprocess.Popen([sys.executable, '-m', 'hoist.worker', '--domain', 'processing'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
                   "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)")
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(100):
        try:
            with open(f"/proc/{child}/stat", encoding="ascii") as stat:
                if stat.read().split()[2] in "ZX":
                    return
        except FileNotFoundError:
            return
        signal.sigtimedwait([], 0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def test_rank_orders_by_cosine():
    process = start("-m", "hoist.worker", "--domain", "postprocessing")
    out, _ = process.communicate(request("rank", query=[1, 0], embeddings=[[0, 1], [2, 0], [1, 1]], top=2) + "\n", timeout=60)
    ranking = json.loads(out.splitlines()[1])["result"]["ranking"]
    assert [row["index"] for row in ranking] == [1, 2]
    assert ranking[0]["score"] == 1.0
