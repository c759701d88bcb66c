"""A hoistd driven at random, beside a model of what must hold: the budget, the bits of every tensor, and nothing that leaks.

HOIST_PROPERTY_STEPS and HOIST_PROPERTY_SEED make it longer and other; a failure names both."""
import contextlib
import hashlib
import os
import random
import signal
import threading
import time
import traceback

import numpy
import pytest
import torch

import hoist._numpy  # noqa: F401  before processes are forked: each would import it for itself
from weight_files import write

STEPS = int(os.environ.get("HOIST_PROPERTY_STEPS", "300"))
SEED = int(os.environ.get("HOIST_PROPERTY_SEED", "1"))
BUDGET = 6 << 20
SLACK = 256 << 10  # of what is charged over the bytes of tensors: whole pages, beginnings of regions
PRECISIONS = {None: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SHAPES = [[256, 256], [64], [128, 512], [300], [200, 333]]  # some 850 KiB, small ones between
NAMES = [f"model-{i}" for i in range(6)]


def digest_of(pairs):
    """What tells whether tensors have these names and bits."""
    total = hashlib.sha256()
    for name, data in sorted(pairs):
        total.update(name.encode() + data)
    return total.hexdigest()


class Weights:
    """What a file of a model holds: half of it in other models, too."""

    def __init__(self, seed):
        own, common = numpy.random.default_rng(seed), numpy.random.default_rng(0)
        self.arrays = {f"blocks.{i}.own": own.standard_normal(shape, numpy.float32) for i, shape in enumerate(SHAPES)}
        self.arrays.update({f"blocks.{i}.common": common.standard_normal(shape, numpy.float32) for i, shape in enumerate(SHAPES)})
        self.digests = {precision: digest_of((name, self._bits(array, dtype)) for name, array in self.arrays.items()) for precision, dtype in PRECISIONS.items()}

    @staticmethod
    def _bits(array, dtype):
        return torch.from_numpy(array).to(dtype).view(torch.uint8).numpy().tobytes()

    def size(self, precision):
        """Bytes of its tensors."""
        return sum(array.size for array in self.arrays.values()) * PRECISIONS[precision].itemsize

    def write(self, path):
        """Put the file in its place, in one move. The note changes where tensors lie."""
        rows = [(name, "F32", list(array.shape), array.tobytes()) for name, array in sorted(self.arrays.items())]
        write(path.parent.parent / "new", rows, {"note": path.stem * random.randrange(9)}).replace(path)


class Holder:
    """A process that opens a model and holds its tensors until it is told, or killed."""

    def __init__(self, daemon, name, precision, weights):
        self.name, self.precision, self.weights = name, precision, weights
        told, self.tell = os.pipe()
        self.hear, says = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(daemon, told, says)
        os.close(told)
        os.close(says)

    def _live(self, daemon, told, says):
        """The life of the process; never returns."""
        try:
            with daemon.client() as client:
                tensors = client.open(self.name, precision=self.precision).numpy()
                word = b"x"
                while word == b"x":
                    os.write(says, digest_of((name, array.tobytes()) for name, array in tensors.items()).encode())
                    word = os.read(told, 1)
        except Exception as error:  # whatever it is, the test is to know
            os.write(says, (getattr(error, "code", None) or traceback.format_exc()).encode())
        os._exit(0)

    def answer(self):
        """What it says next: the digest of what it holds, or the code of an error."""
        return os.read(self.hear, 65536).decode()

    def again(self):
        """The digest of what it holds now."""
        os.write(self.tell, b"x")
        return self.answer()

    def end(self, how=0):
        """End it: by a signal, or let it go."""
        if how:
            os.kill(self.pid, how)
        else:
            with contextlib.suppress(BrokenPipeError):  # it met an error, and is gone
                os.write(self.tell, b".")
        os.waitpid(self.pid, 0)
        os.close(self.tell)
        os.close(self.hear)


class Machine:
    """The daemon, and what is known of it: files, who holds what, and what is pinned."""

    def __init__(self, daemon, seed):
        self.daemon, self.random = daemon, random.Random(seed)
        self.weights = {name: Weights(10 + i) for i, name in enumerate(NAMES)}
        self.seeds = 100
        self.holders = []
        self.pinned = set()  # (model, precision)
        self.refused = self.opened = 0
        self.empty_fds = None

    def tier(self):
        """RAM as hoistd shows it."""
        return self.daemon.data("GET", "/api/model/cache")

    def need(self, name, precision):
        """Most bytes that all in use take, with one more model."""
        used = {(holder.weights, holder.precision) for holder in self.holders} | {(self.weights[model], kind) for model, kind in self.pinned}
        return sum(weights.size(kind) + SLACK for weights, kind in used | {(self.weights[name], precision)})

    def judge(self, name, precision, code):
        """A refusal is right only when there is no room that nobody uses."""
        assert code in ("out_of_ram", "out_of_device_memory"), (name, precision, code)
        assert self.need(name, precision) > BUDGET, f"{name} in {precision} was refused though there is room: all in use is {self.need(name, precision)}; {self.show()}"
        self.refused += 1

    def show(self):
        """What hoistd says of its memory, for whoever reads of a failure."""
        parts = [(part["component_id"], part["residencies"], part["leases"], part["pinned"]) for part in self.tier()["components"]]
        return {"in use": [(holder.name, holder.precision) for holder in self.holders], "pinned": self.pinned, "parts": parts,
                "memory": self.daemon.data("GET", "/api/memory/status")}

    def pick(self):
        """A model and a precision."""
        return self.random.choice(NAMES), self.random.choice([None, None, "bf16", "fp16"])

    def request(self, method, route, name, precision, **more):
        """Ask for a model; @return was it done?"""
        body = {"model_id": name, **({"precision": precision} if precision else {}), **more}
        status, envelope = self.daemon.http(method, route, body)
        if status != 200:
            self.judge(name, precision, envelope["error"]["code"])
        return status == 200

    def load(self):
        """Load to the device."""
        self.request("POST", "/api/model/load", *self.pick())

    def cache(self):
        """Bring into RAM."""
        self.request("POST", "/api/model/cache", *self.pick())

    def pin(self):
        """Pin a model, or let one be evicted again."""
        name, precision = self.pick()
        if len(self.pinned) < 2:
            if self.request("POST", "/api/model/cache", name, precision, pin=True):
                self.pinned.add((name, precision))
        else:
            self.unpin(*self.random.choice(sorted(self.pinned, key=str)))

    def unpin(self, name, precision):
        """No longer pinned."""
        assert self.request("POST", "/api/model/cache", name, precision, pin=False)
        self.pinned.discard((name, precision))

    def unload(self):
        """Off the device; who holds it goes on."""
        self.daemon.data("DELETE", "/api/model/unload", {"model_id": self.random.choice(NAMES)})

    def evict(self):
        """Out of RAM, what nobody holds."""
        self.daemon.data("DELETE", "/api/model/cache", {"model_id": self.random.choice([name for name in NAMES if name not in dict(self.pinned)])})

    def hold(self, holder=None):
        """A process opens a model; what it reads is what is in the file."""
        if holder is None:
            name, precision = self.pick()
            holder = Holder(self.daemon, name, precision, self.weights[name])
        said = holder.answer()
        if said == holder.weights.digests[holder.precision]:
            self.holders.append(holder)
            self.opened += 1
        else:
            holder.end()
            self.judge(holder.name, holder.precision, said)

    def hold_many(self):
        """Several at the same moment: each is right or refused."""
        for holder in [Holder(self.daemon, name, precision, self.weights[name]) for name, precision in (self.pick() for _ in range(4))]:
            said = holder.answer()
            if said == holder.weights.digests[holder.precision]:
                self.holders.append(holder)
            else:
                assert said in ("out_of_ram", "out_of_device_memory", "busy"), said
                holder.end()

    def kill(self):
        """kill -9 of one that holds."""
        if self.holders:
            self.holders.pop(self.random.randrange(len(self.holders))).end(signal.SIGKILL)

    def kill_early(self):
        """kill -9 of one that is about to hold, at any moment."""
        name, precision = self.pick()
        holder = Holder(self.daemon, name, precision, self.weights[name])
        time.sleep(self.random.random() * 0.02)
        holder.end(signal.SIGKILL)

    def let_go(self):
        """One that holds ends by itself."""
        if self.holders:
            self.holders.pop(self.random.randrange(len(self.holders))).end()

    def look_again(self):
        """Everybody still has the bits that it had."""
        for holder in self.holders:
            assert holder.again() == holder.weights.digests[holder.precision], holder.name

    def replace(self):
        """A file is replaced by another; who holds the old one keeps its bits."""
        name = self.random.choice(NAMES)
        for pinned in [pair for pair in self.pinned if pair[0] == name]:
            self.unpin(*pinned)
        self.seeds += 1
        self.weights[name] = Weights(self.seeds)
        self.weights[name].write(self.daemon.library / f"{name}.safetensors")
        self.daemon.scan()

    def hash(self):
        """Hashes are computed, so that what is equal is found."""
        assert self.daemon.cli("hash", self.random.choice(NAMES)).returncode == 0

    def defragment(self):
        """Memory with holes is made whole."""
        status, envelope = self.daemon.http("POST", "/api/memory/operations/defragment")
        assert status == 200 or envelope["error"]["code"] == "busy", envelope

    def rush(self):
        """Loads, evictions and a look at all, at the same moment."""
        wanted = [("POST", "/api/model/load", self.random.choice(NAMES)), ("POST", "/api/model/cache", self.random.choice(NAMES)),
                  ("DELETE", "/api/model/unload", self.random.choice(NAMES)), ("GET", "/api/model/components", None)]
        answers = []
        threads = [threading.Thread(target=lambda each=each: answers.append(self.daemon.http(each[0], each[1], each[2] and {"model_id": each[2]}))) for each in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == len(wanted) and {status for status, _ in answers} <= {200, 409, 507}, answers

    def check(self):
        """What must hold after every step."""
        tier = self.tier()
        assert tier["used_bytes"] <= tier["budget_bytes"] == BUDGET, tier
        eventually(lambda: self.leased() == {holder.pid for holder in self.holders}, lambda: (self.leased(), [(holder.pid, holder.name) for holder in self.holders]))

    def leased(self):
        """Who holds anything, according to hoistd."""
        return {holder["pid"] for part in self.daemon.data("GET", "/api/model/components")["components"] for holder in part["holders"]}

    def fds(self):
        """Open descriptors of hoistd and its keeper, and model files that hoistd maps."""
        with open(f"/proc/{self.daemon.process.pid}/maps", encoding="utf-8") as maps:
            mapped = maps.read().count(".safetensors")
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), len(os.listdir(f"/proc/{self.daemon.keeper()}/fd")), mapped

    def empty(self):
        """Everybody goes and all is freed: nothing is charged, open or mapped that was not before."""
        while self.holders:
            self.kill()
        for pair in sorted(self.pinned, key=str):
            self.unpin(*pair)
        eventually(lambda: self.leased() == set(), self.leased)
        self.daemon.data("DELETE", "/api/model/unload")
        self.daemon.data("DELETE", "/api/model/cache")
        eventually(lambda: self.tier()["used_bytes"] == 0, self.tier)
        if self.empty_fds is None:
            self.empty_fds = self.fds()
        eventually(lambda: all(now <= then for now, then in zip(self.fds(), self.empty_fds)), lambda: (self.fds(), self.empty_fds))

    def step(self):
        """One event at random."""
        kinds = {self.load: 3, self.cache: 3, self.hold: 6, self.hold_many: 1, self.kill: 5, self.kill_early: 1, self.let_go: 3, self.unload: 2, self.evict: 3,
                 self.pin: 1, self.look_again: 1, self.replace: 1, self.hash: 1, self.defragment: 1, self.rush: 1}
        event = self.random.choices(list(kinds), list(kinds.values()))[0]
        event()
        self.check()
        return event.__name__


def eventually(holds, show, seconds=3):
    """What must hold soon: the end of a process is news that takes a moment."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, show()
        time.sleep(0.005)


@pytest.fixture
def machine(start, tmp_path):
    """A hoistd over six models, of which few have room at once."""
    library = tmp_path / "models"
    library.mkdir()
    for i, name in enumerate(NAMES):
        Weights(10 + i).write(library / f"{name}.safetensors")
    machine = Machine(start(library, ram=str(BUDGET)), SEED)
    yield machine
    for holder in machine.holders:
        with contextlib.suppress(OSError):
            holder.end(signal.SIGKILL)


def test_whatever_happens_budget_bits_and_descriptors_hold(machine):
    torch.set_num_threads(1)
    machine.cache()
    machine.empty()
    events = []
    try:
        for i in range(STEPS):
            events.append(machine.step())
            if i % 100 == 99:
                machine.empty()
        machine.empty()
    except BaseException:
        print(f"seed {SEED}, step {len(events)}, after {events[-12:]}")
        raise
    assert machine.refused > STEPS / 100 and machine.opened > STEPS / 20, "the budget is to be short, and not too short"
    print(f"{machine.opened} opened, {machine.refused} refused")
