"""Requests that no honest client sends: each gets a clear answer or a closed connection, and nobody else notices."""
import json
import re
import socket
import threading
import time
import urllib.parse

import pytest

HEAD = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n"


def connect(daemon):
    place = urllib.parse.urlsplit(daemon.url)
    return socket.create_connection((place.hostname, place.port), timeout=20)


def read_all(opened):
    """What comes until the other side ends; a reset is an end."""
    parts = []
    try:
        while part := opened.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts).decode()


def exchange(daemon, request):
    """The answer to bytes after which nothing comes."""
    with connect(daemon) as opened:
        try:
            opened.sendall(request if isinstance(request, bytes) else request.encode())
            opened.shutdown(socket.SHUT_WR)
        except (ConnectionError, OSError):
            pass
        return read_all(opened)


def status_of(answer):
    return int(answer.split(" ", 2)[1]) if answer else None


def error_of(answer):
    return json.loads(answer.split("\r\n\r\n", 1)[1])["error"]["code"]


SMUGGLED = {
    "length and chunked": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a list of lengths": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2, 2\r\n\r\n{}",
    "a signed length": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
    "a length that overflows": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551618\r\n\r\n{}",
    "an unknown coding": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a wrong chunk size": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a huge chunk size": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
    "a folded header": HEAD + "X-One: a\r\n b\r\n\r\n",
    "a blank before the colon": HEAD + "X-One : a\r\n\r\n",
    "a bare carriage return": HEAD + "X-One: a\rX-Two: b\r\n\r\n",
    "a nul in a header": HEAD + "X-One: a\0b\r\n\r\n",
    "bare line feeds": "GET /health/live HTTP/1.1\nHost: localhost\n\n",
    "no version": "GET /health/live\r\n\r\n",
    "a foreign protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": "GET /health/live HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + "Host: localhost\r\n\r\n",
    "an absolute target": "GET http://localhost/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a wrong escape": "GET /api/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an escaped nul": "GET /api/model%00/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an unknown expectation": HEAD + "Expect: 200-ok\r\n\r\n",
    "random bytes": bytes(range(256)) * 8,
    "a request cut short": "POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("request_", SMUGGLED.values(), ids=SMUGGLED)
def test_a_malformed_request_gets_one_400_and_the_end(daemon, request_):
    answer = exchange(daemon, request_)
    assert status_of(answer) == 400 and answer.count("HTTP/1.1 ") == 1 and error_of(answer) == "bad_request", answer


def test_nothing_after_a_refusal_is_read(daemon):
    answer = exchange(daemon, SMUGGLED["length and chunked"] + HEAD + "\r\n")
    assert answer.count("HTTP/1.1 ") == 1 and "Connection: close" in answer


@pytest.mark.parametrize("request_,status,code", [
    (HEAD + "X-Long: " + "a" * 20000 + "\r\n\r\n", 431, "headers_too_large"),
    (HEAD + "".join(f"X-{i}: a\r\n" for i in range(100)) + "\r\n", 431, "headers_too_large"),
    ("GET /" + "a" * 20000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, "headers_too_large"),
    ("POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n", 413, "payload_too_large"),
    ("POST /api/model/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + "a" * 0x200000 + "\r\n0\r\n\r\n", 413,
     "payload_too_large"),
    ("POST /api/model/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, "unsupported_media_type"),
    ("POST /api/model/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 415, "unsupported_media_type"),
])
def test_what_is_too_large_or_of_another_kind(daemon, request_, status, code):
    answer = exchange(daemon, request_)
    assert (status_of(answer), error_of(answer)) == (status, code)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:1:2", "127.0.0.1x", "[::1", "", "localhost:port", "0"])
def test_another_machines_name_is_misdirected(daemon, host):
    answer = exchange(daemon, f"GET /api/model/status HTTP/1.1\r\nHost: {host}\r\n\r\n")
    assert status_of(answer) == 421 and error_of(answer) == "misdirected_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8420", "127.0.0.1:9", "[::1]:8420"])
def test_this_machines_names_are_served(daemon, host):
    assert status_of(exchange(daemon, f"GET /api/model/status HTTP/1.1\r\nHost: {host}\r\n\r\n")) == 200


@pytest.mark.parametrize("headers", ["Origin: http://evil.example", "Origin: null", "Origin: https://localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"])
def test_a_page_of_another_site_is_forbidden(daemon, headers):
    answer = exchange(daemon, f"DELETE /api/model/cache HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n")
    assert status_of(answer) == 403 and error_of(answer) == "forbidden"


@pytest.mark.parametrize("headers", ["Origin: http://localhost", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"])
def test_a_page_of_our_own_is_served(daemon, headers):
    assert status_of(exchange(daemon, f"GET /api/model/status HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n")) == 200


def test_pipelined_requests_are_answered_in_order(daemon):
    answer = exchange(daemon, HEAD + "\r\nGET /api/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD + "Connection: close\r\n\r\n")
    assert [int(part.split(" ", 1)[0]) for part in answer.split("HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_a_flood_of_pipelined_requests_is_served_one_by_one(daemon):
    with connect(daemon) as opened:
        sender = threading.Thread(target=opened.sendall, args=((HEAD + "\r\n").encode() * 9999 + (HEAD + "Connection: close\r\n\r\n").encode(),))
        sender.start()
        answers = read_all(opened)
        sender.join()
    assert answers.count("HTTP/1.1 200") == 10000


def test_head_has_the_length_and_no_body(daemon):
    head = exchange(daemon, "HEAD /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status_of(head) == 200 and "Content-Length: " in head and head.endswith("\r\n\r\n")


def test_a_chunked_body_and_expect_continue_are_understood(daemon):
    body = '{"model_id":"alpha"}'
    with connect(daemon) as opened:
        opened.sendall("POST /api/model/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                       "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert opened.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for char in body:
            opened.sendall(f"1\r\n{char}\r\n".encode())
        opened.sendall(b"0\r\n\r\n")
        assert status_of(read_all(opened)) == 200


def test_an_old_client_is_answered_and_closed(daemon):
    answer = exchange(daemon, "GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert status_of(answer) == 200 and "Connection: close" in answer


def test_slow_senders_are_cut_off_and_delay_nobody(daemon):
    slow = [connect(daemon) for _ in range(50)]
    began = time.monotonic()

    def drip(opened):
        try:
            for byte in HEAD.encode():
                opened.sendall(bytes([byte]))
                time.sleep(0.5)
        except OSError:
            pass

    threads = [threading.Thread(target=drip, args=(opened,), daemon=True) for opened in slow]
    for thread in threads:
        thread.start()
    asked = time.monotonic()
    for _ in range(20):
        assert daemon.http("GET", "/health/live")[0] == 200
    assert time.monotonic() - asked < 2
    for opened in slow:
        assert read_all(opened) == ""
    assert 3 < time.monotonic() - began < 12


def test_a_reader_that_does_not_read_costs_only_itself(daemon):
    with connect(daemon) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.sendall((b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n") * 100)
        began = time.monotonic()
        assert daemon.http("GET", "/api/model/status")[0] == 200 and time.monotonic() - began < 1


def test_a_client_that_leaves_while_it_is_served(daemon):
    for _ in range(50):
        with connect(daemon) as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            opened.sendall(b"POST /api/model/load HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"model_id\":\"alpha\"}")
    assert daemon.http("GET", "/api/model/status")[0] == 200


def test_a_token_is_asked_for_everywhere_but_health(start, one_model):
    daemon = start(one_model, HOIST_TOKEN="s3cret-s3cret")
    assert daemon.http("GET", "/health/ready")[0] == 200
    for path in ("/api/model/status", "/metrics", "/api/events", "/openapi.json", "/api/nothing"):
        status, envelope = daemon.http("GET", path)
        assert (status, envelope["error"]["code"]) == (401, "unauthorized")
    for wrong in ("Bearer wrong", "Bearer s3cret", "Bearer s3cret-s3cret2", "Basic s3cret-s3cret", "s3cret-s3cret", "Bearer "):
        assert daemon.http("GET", "/api/model/status", Authorization=wrong)[0] == 401
    assert daemon.http("GET", "/api/model/status", Authorization="Bearer s3cret-s3cret")[0] == 200


def test_an_allowed_host_is_served(start, one_model):
    daemon = start(one_model, "--allowed-host", "workstation.lan")
    assert daemon.http("GET", "/health/live", Host="workstation.lan:8420")[0] == 200
    assert daemon.http("GET", "/health/live", Host="other.lan")[0] == 421


def test_metrics_may_be_served_to_others_and_nothing_else(start, one_model):
    daemon = start(one_model, "--metrics-listen", "0.0.0.0:0", HOIST_TOKEN="s3cret-s3cret")
    port = re.search(r"metrics at http://0.0.0.0:(\d+)/metrics", daemon.log_path.read_text()).group(1)
    daemon.url = f"http://127.0.0.1:{port}"
    status, text = daemon.http("GET", "/metrics", Host="workstation.lan:9100")
    assert status == 200 and "hoist_models" in text and daemon.http("GET", "/health/ready")[0] == 200
    for path in ("/api/model/status", "/api/events", "/openapi.json", "/docs", "/metrics/../api/model/status", "/"):
        assert daemon.http("GET", path)[0] == 404
    assert daemon.http("DELETE", "/metrics")[0] == 405


def test_too_many_connections_are_turned_away_and_room_comes_back(start, one_model):
    daemon = start(one_model)
    opened = [connect(daemon) for _ in range(1024)]
    with connect(daemon) as one_too_many:
        assert read_all(one_too_many) == ""
    for one in opened:
        one.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert daemon.http("GET", "/health/live")[0] == 200
            break
        except (AssertionError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
