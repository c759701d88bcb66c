"""A worker for the tests of the supervisor: each operation does one thing a real worker may do."""
import json
import os
import signal
import sys
import time


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(request):
    return {"id": request["id"], "ok": True, "result": request["params"].get("value")}


def shout(request):
    sys.stdout.write("this is no JSON\n")
    sys.stdout.flush()


def die(request):
    sys.stderr.write("something broke here\n")
    sys.stderr.flush()
    os._exit(3)


def kill(request):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(request):
    time.sleep(60)


def fail(request):
    return {"id": request["id"], "ok": False, "error": request["params"]}


def wrong_id(request):
    return {"id": request["id"] + 1, "ok": True, "result": None}


def close_output(request):
    os.close(1)
    time.sleep(60)


def environment(request):
    return {"id": request["id"], "ok": True, "result": os.environ.get(request["params"]["name"])}


def noise(request):
    sys.stderr.write("x" * 100000 + "\nthe last line\n")
    sys.stderr.flush()
    os._exit(0)


def stubborn(request):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(answer(request))
    time.sleep(60)


OPERATIONS = {name: value for name, value in globals().items() if callable(value) and name not in ("say",)}
OPERATIONS["echo"] = answer

if "--never-ready" in sys.argv:
    sys.exit("cannot start here")
if "--mute" in sys.argv:
    OPERATIONS["ping"] = sleep
else:
    OPERATIONS["ping"] = answer
say({"ready": True, "operations": sorted(OPERATIONS)})
for line in sys.stdin:
    request = json.loads(line)
    reply = OPERATIONS[request["operation"]](request)
    if reply is not None:
        say(reply)
