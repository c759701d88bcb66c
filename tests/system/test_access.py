"""Who may use the socket, what a process without rights gets, and peers that break the protocol."""
import array
import grp
import json
import os
import resource
import socket
import stat
import struct
import subprocess
import time

import pytest
from own_daemon import HOIST
from weight_files import tensor, write

MIB = 1 << 20
MAGIC = 0x3152505453494F48
HELLO, WELCOME, CALL, REPLY, OPEN, OPENED, EVENTS, EVENT, ERROR = range(1, 10)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to become somebody else")


def open_to_all(path):
    """Let everybody reach a folder of pytest's."""
    for place in [path, *path.parents]:
        if str(place) != "/tmp" and str(place).startswith("/tmp"):
            place.chmod(0o755)


def try_as(daemon, user, group):
    """Exit code of the command line run as somebody else: 0 = served, 1 = may not open the socket, 69 = was not answered."""
    return subprocess.run([HOIST, "ls", "--socket", daemon.socket], capture_output=True, user=user, group=group, extra_groups=[], check=False).returncode


@as_root
def test_the_socket_is_the_owners_alone(start, one_model, tmp_path):
    daemon = start(one_model)
    open_to_all(daemon.folder)
    assert stat.S_IMODE(os.stat(daemon.socket).st_mode) == 0o600
    assert try_as(daemon, 65534, 65534) == 1
    assert try_as(daemon, 0, 0) == 0


@as_root
def test_a_group_may_be_let_in(start, one_model, tmp_path):
    group = grp.getgrgid(100)
    daemon = start(one_model, "--allow-group", group.gr_name)
    open_to_all(daemon.folder)
    assert stat.S_IMODE(os.stat(daemon.socket).st_mode) == 0o660 and os.stat(daemon.socket).st_gid == 100
    assert try_as(daemon, 65534, 100) == 0
    assert try_as(daemon, 65534, 65534) == 1
    os.chmod(daemon.socket, 0o666)  # even so: the peer's credentials decide
    assert try_as(daemon, 65534, 65534) == 69


@as_root
@pytest.mark.skipif("HOIST_SANITIZED" in os.environ, reason="sanitizers of memory replace mlock by nothing")
def test_without_the_right_to_lock_that_is_said(tmp_path, start):
    models = tmp_path / "models"
    models.mkdir()
    write(models / "one.safetensors", [tensor("weight", "U8", [32 * MIB])])
    open_to_all(models)
    folder = tmp_path / "daemon0"

    def give_up_rights():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))

    daemon = start(models, prepare={"user": 65534, "group": 65534, "extra_groups": [], "preexec_fn": give_up_rights})
    assert folder == daemon.folder
    daemon.data("POST", "/api/model/cache", {"model_id": "one"})
    part = daemon.data("GET", "/api/model/cache")["components"][0]["ram"]
    assert part["backing"] == "page_cache" and part["locked"] is False
    doctor = daemon.cli("doctor")
    assert doctor.returncode == 1 and "look components held in place: some are not locked" in doctor.stdout


class Peer:
    """The protocol spoken by hand."""

    def __init__(self, daemon, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(daemon.socket)
        if greet:
            self.send(HELLO, struct.pack("<QIIQ", MAGIC, 1, 0, 0))
            assert self.receive()[0] == WELCOME

    def send(self, kind, body=b"", request=1, flags=0, fds=(), claimed_bytes=None, claimed_fds=None):
        size = len(body) if claimed_bytes is None else claimed_bytes
        count = len(fds) if claimed_fds is None else claimed_fds
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("<HHIII", kind, flags, request, size, count), body], ancillary)

    def receive(self):
        """(type, body), or (None, b"") at the end."""
        packet, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64 * 4))
        for _, _, data in ancillary:
            received = array.array("i")
            received.frombytes(data[: len(data) - len(data) % 4])
            for fd in received:
                os.close(fd)
        return (struct.unpack("<H", packet[:2])[0], packet[16:]) if packet else (None, b"")

    def error(self):
        kind, body = self.receive()
        assert kind == ERROR, (kind, body)
        return json.loads(body)["code"]

    def is_closed(self):
        try:
            return self.receive()[0] is None
        except ConnectionError:
            return True


def answer(peer):
    """The envelope of a call."""
    body = b""
    while True:
        packet, _, _, _ = peer.socket.recvmsg(65536)
        body += packet[16:]
        if not struct.unpack("<HH", packet[:4])[1] & 1:
            return json.loads(body)


def test_a_call_by_hand(daemon):
    peer = Peer(daemon)
    peer.send(CALL, b"GET /api/model/status\n")
    assert answer(peer)["success"] is True


@pytest.mark.parametrize("hello", [struct.pack("<QIIQ", MAGIC + 1, 1, 0, 0), struct.pack("<QIIQ", MAGIC, 2, 0, 0), struct.pack("<QI", MAGIC, 1), b""])
def test_a_wrong_greeting_is_told_and_ends(daemon, hello):
    peer = Peer(daemon, greet=False)
    peer.send(HELLO, hello)
    assert peer.error() == "protocol" and peer.is_closed()


def test_a_longer_greeting_of_a_newer_minor_is_fine(daemon):
    peer = Peer(daemon, greet=False)
    peer.send(HELLO, struct.pack("<QIIQ", MAGIC, 1, 99, 0xFF) + b"later fields")
    assert peer.receive()[0] == WELCOME


def test_who_does_not_greet_is_told(daemon):
    peer = Peer(daemon, greet=False)
    peer.send(CALL, b"GET /api/model/status\n")
    assert peer.error() == "protocol" and peer.is_closed()


def test_an_unknown_message_is_told_and_the_next_is_served(daemon):
    peer = Peer(daemon)
    peer.send(77)
    assert peer.error() == "protocol"
    peer.send(CALL, b"GET /api/model/status\n")
    assert answer(peer)["success"] is True


@pytest.mark.parametrize("packet", [b"", b"short", os.urandom(16), os.urandom(5000), struct.pack("<HHIII", CALL, 0, 1, 100, 0), struct.pack("<HHIII", CALL, 0, 1, 0, 3),
                                    struct.pack("<HHIII", CALL, 0, 1, 0xFFFFFFFF, 0)])
def test_a_malformed_packet_ends_the_connection_and_no_other(daemon, packet):
    other = Peer(daemon)
    peer = Peer(daemon)
    peer.socket.send(packet)
    assert peer.is_closed()
    other.send(CALL, b"GET /api/model/status\n")
    assert answer(other)["success"] is True


@pytest.mark.parametrize("line", [b"", b"GET", b"GET \n", b"get /api/model/status\n", b"GET /api/%zz\n", b"\n\n", b"GET /api/model/status\n{", b"\xff\xfe /\n", b"GET  /\n"])
def test_a_malformed_call_is_an_error_and_not_the_end(daemon, line):
    peer = Peer(daemon)
    peer.send(CALL, line)
    kind, body = peer.receive()
    found = json.loads(body)
    assert kind == ERROR or found["success"] is False, (kind, found)
    peer.send(CALL, b"GET /api/model/status\n")
    assert answer(peer)["success"] is True


@pytest.mark.parametrize("body,code", [(b"", "malformed_json"), (b"[]", "malformed_json"), (b"{", "malformed_json"), (b"{}", "invalid_argument"),
                                       (b'{"model_id":7}', "invalid_argument"), (b'{"model_id":"none"}', "model_not_found"),
                                       (b'{"model_id":"alpha","components":"x"}', "invalid_argument"), (b'{"model_id":"alpha","components":[1]}', "invalid_argument"),
                                       (b'{"model_id":"alpha","components":["x"]}', "component_not_found"), (b'{"model_id":"alpha","device":"cuda:7"}', "device_not_found"),
                                       (b'{"model_id":"alpha","precision":"int8"}', "incompatible")])
def test_a_wrong_open_is_an_error(daemon, body, code):
    peer = Peer(daemon)
    peer.send(OPEN, body)
    assert peer.error() == code


def fds_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_descriptors_that_nobody_asked_for_are_closed(daemon):
    peer = Peer(daemon)
    before = fds_of(daemon)
    with open("/dev/null", "rb") as null:
        for _ in range(20):
            peer.send(CALL, b"GET /api/model/status\n", fds=[null.fileno()] * 10)
            answer(peer)
        peer.send(OPEN, b"{}", fds=[null.fileno()] * 2)
        assert peer.error() == "invalid_argument"
        peer.send(OPEN, b"{}", fds=[null.fileno()])
        assert peer.error() == "invalid_file"
    deadline = time.monotonic() + 3
    while fds_of(daemon) != before and time.monotonic() < deadline:
        time.sleep(0.05)  # a scan may be looking at what an earlier test has written
    assert fds_of(daemon) == before


def test_a_file_is_held_only_for_who_can_read_it(daemon, models):
    peer = Peer(daemon)
    write_only = os.open(models / "alpha.safetensors", os.O_PATH)
    peer.send(OPEN, b'{"hold":true}', fds=[write_only])
    assert peer.error() == "invalid_argument"
    os.close(write_only)
    with open(models / "alpha.safetensors", "rb") as file:
        peer.send(OPEN, b'{"hold":true}', fds=[file.fileno()])
        assert peer.receive()[0] == OPENED


def test_too_many_requests_at_once_are_refused(daemon, models):
    peer = Peer(daemon)
    for number in range(200):
        peer.send(CALL, b'POST /api/model/load\n{"model_id":"delta"}', request=number)
    codes = []
    for _ in range(200):
        kind, body = peer.receive()
        codes.append(json.loads(body)["code"] if kind == ERROR else "ok")
    assert set(codes) <= {"ok", "busy"} and codes.count("ok") >= 64, set(codes)


def test_a_peer_that_never_reads_costs_itself_alone(daemon):
    deaf = Peer(daemon)
    deaf.socket.setblocking(False)
    sent = 0
    try:
        for sent in range(20000):
            deaf.send(CALL, b"GET /api/model/available\n", request=sent)
    except (BlockingIOError, ConnectionError):
        pass
    other = Peer(daemon)
    began = time.monotonic()
    other.send(CALL, b"GET /api/model/status\n")
    assert answer(other)["success"] is True and time.monotonic() - began < 2


def test_a_subscriber_that_never_reads_is_cut_off(start, one_model):
    daemon = start(one_model)
    deaf = Peer(daemon)
    deaf.send(EVENTS, b"{}")
    for _ in range(700):
        daemon.data("POST", "/api/model/load", {"model_id": "one"})
        daemon.data("DELETE", "/api/model/unload")
    assert daemon.data("GET", "/api/model/status")
    twice = Peer(daemon)
    twice.send(EVENTS, b"{}")
    assert twice.receive()[0] == REPLY
    twice.send(EVENTS, b"{}", request=2)
    kinds = [twice.receive()[0] for _ in range(2)]
    assert kinds == [REPLY, ERROR]


def test_many_connections(start, one_model):
    daemon = start(one_model)
    peers = []
    for _ in range(300):
        try:
            peers.append(Peer(daemon))
        except (ConnectionError, AssertionError):
            break
    assert len(peers) >= 200
    before = fds_of(daemon)
    for peer in peers:
        peer.socket.close()
    time.sleep(0.2)
    assert fds_of(daemon) <= before - len(peers)


def test_who_is_gone_when_the_answer_comes_disturbs_nobody(start, one_model):
    daemon = start(one_model)
    for i in range(300):
        daemon.data("DELETE", "/api/model/unload")
        daemon.data("DELETE", "/api/model/cache")
        peer = Peer(daemon)
        peer.send(OPEN, b'{"model_id":"one"}')
        time.sleep(i % 60 / 15000)
        peer.socket.close()
    assert daemon.process.poll() is None
