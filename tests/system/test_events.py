"""What happens is told as it happens, and nothing is lost when a connection is."""
import json
import socket
import time
import urllib.parse
import urllib.request


class Stream:
    """An event stream over HTTP."""

    def __init__(self, daemon, last_id=None, query=""):
        headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
        self.answer = urllib.request.urlopen(urllib.request.Request(daemon.url + "/api/events" + query, headers=headers), timeout=10)

    def next(self):
        """(id, name, data)."""
        fields = {}
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if not line and "event" in fields:
                return int(fields["id"]), fields["event"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value

    def until(self, test):
        seen = [self.next()]
        while not test(seen[-1]):
            seen.append(self.next())
        return seen

    def close(self):
        self.answer.close()


def is_done(event):
    return event[1] == "job.progress" and event[2]["state"] == "done"


def test_a_load_is_told_step_by_step(daemon):
    stream = Stream(daemon)
    daemon.data("POST", "/api/model/load", {"model_id": "alpha"})
    seen = stream.until(is_done)
    stream.close()
    ids = [event[0] for event in seen]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    steps = [event[2]["step"] for event in seen if event[1] == "job.progress"]
    assert [step for i, step in enumerate(steps) if i == 0 or steps[i - 1] != step] == ["validate", "estimate", "allocate", "load", "status"]
    states = [(event[2]["tier"], event[2]["state"]) for event in seen if event[1] == "component.state"]
    assert states.index(("ram", "caching")) < states.index(("ram", "cached")) < states.index(("device", "loaded"))


def test_a_stream_goes_on_where_it_was_cut(daemon):
    stream = Stream(daemon)
    daemon.data("POST", "/api/model/load", {"model_id": "alpha"})
    first = stream.until(is_done)
    stream.close()
    daemon.data("DELETE", "/api/model/unload")
    again = Stream(daemon, last_id=first[2][0])
    seen = again.until(lambda event: event[1] == "component.state" and event[2]["state"] == "absent")
    again.close()
    assert seen[: len(first) - 3] == first[3:]
    by_query = Stream(daemon, query=f"?last_event_id={first[2][0]}")
    assert by_query.next() == first[3]
    by_query.close()


def test_a_gap_is_told(start, one_model):
    daemon = start(one_model)
    for _ in range(400):
        daemon.data("POST", "/api/model/load", {"model_id": "one"})
        daemon.data("DELETE", "/api/model/unload")
    stream = Stream(daemon, last_id=1)
    first = stream.next()
    stream.close()
    assert first[1] == "events.lost" or first[1] == "resync", first


def test_a_subscriber_that_does_not_read_is_cut_off_and_delays_nobody(daemon):
    place = urllib.parse.urlsplit(daemon.url)
    deaf = socket.create_connection((place.hostname, place.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    began = time.monotonic()
    for _ in range(300):
        daemon.data("POST", "/api/model/load", {"model_id": "alpha"})
        daemon.data("DELETE", "/api/model/unload")
    assert time.monotonic() - began < 20
    deaf.close()


def test_scans_are_told(start, one_model):
    daemon = start(one_model)
    stream = Stream(daemon)
    (one_model / "two.safetensors").write_bytes((one_model / "one.safetensors").read_bytes()[:-4] + b"abcd")
    daemon.scan()
    seen = stream.until(lambda event: event[1] == "scan.progress" and event[2]["state"] == "done")
    assert any(event[1] == "model.available" and event[2]["model_id"] == "two" for event in seen), seen
    (one_model / "two.safetensors").unlink()
    daemon.scan()
    assert stream.until(lambda event: event[1] == "model.unavailable")[-1][2]["model_id"] == "two"
    stream.close()
