"""Every bad file that tests/badfiles/ can make gets the verdict it must get, costs little, and harms nothing beside it."""
import collections
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import hoist
import pytest
from own_daemon import BUILD, HOISTD, ROOT
from weight_files import tensor, write

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from badfiles import folders, oracle  # noqa: E402
from badfiles import write as badfiles_write  # noqa: E402

MIB = 1 << 20
# What the loader and the C library open when a process starts.
SYSTEM = ("/proc/", "/sys/", "/dev/null", "/dev/urandom", "/etc/localtime", "/etc/ld.so", "/lib/", "/usr/lib/", "/lib64/")
SEEN = re.compile(r"\.(safetensors|sft|gguf|ckpt|pt|pth|bin)$", re.IGNORECASE)
VAGUE = re.compile(r"\.(ckpt|pt|pth|bin)$")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with every case, and the cases."""
    folder = tmp_path_factory.mktemp("badfiles")
    yield folder, badfiles_write.main(folder)
    shutil.rmtree(folder)


def is_wanted(model, want):
    """Is this the outcome? See badfiles/__init__.py; None = not in the catalog."""
    return any(is_one(model, *re.match(r"(\w)[:+]?(.*)", one).groups()) for one in want.split("|"))


def is_one(model, kind, word):
    problem = (model or {}).get("problem") or {}
    text, reason = problem.get("text", ""), problem.get("reason")
    if kind == "S":
        return model is None
    if model is None:
        return False
    if kind == "A":
        return model["state"] == "ok" and [warning.split(":")[0] for warning in model["warnings"]] == ([word] if word else [])
    if kind == "U":
        return model["state"] == "unsafe" and problem["code"] == "unsafe_file" and word in text
    if kind == "L":
        return problem.get("code") == "limit_exceeded" and text.startswith(f"limit: {word}")
    return model["state"] == "invalid" and (not word or reason == word)


def test_each_file_alone_read_in_pieces_cut_and_changed(corpus):
    folder, cases = corpus
    done = subprocess.run([BUILD / "tests" / "badfiles" / "badfiles", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    looked, cut, changed = map(int, re.findall(r"(\d+) (?:files|cut|with)", done.stdout.splitlines()[-1]))
    assert looked == len(cases) and cut + changed > 20_000


def test_tables_of_files_with_a_changed_bit_are_what_python_works_out(corpus):
    folder, _ = corpus
    contents, count = {}, 0
    for line in (folder / "accepted.tsv").read_text(encoding="utf-8").splitlines():
        file, bit, _, *rows = line.split("\t")
        content = bytearray(contents.setdefault(file, (folder / file).read_bytes()))
        content[int(bit) // 8] ^= 1 << int(bit) % 8
        read = oracle.gguf if content[:4] == b"GGUF" else oracle.safetensors
        ours = [(name, int(elements), int(offset), int(size)) for name, elements, offset, size in (row.split() for row in rows)]
        assert ours == read(bytes(content)), (file, bit)
        count += 1
    assert count > 1000


def counts(daemon):
    """Descriptors, threads and memory files of the process."""
    base = pathlib.Path(f"/proc/{daemon.process.pid}")
    links = []
    for entry in (base / "fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue
    return {"fds": len(links), "threads": len(list((base / "task").iterdir())), "memfds": sum("memfd" in link for link in links)}


def at_rest(daemon):
    """The counts once nothing changes them any more: a connection is closed a little after its answer."""
    seen = []
    for _ in range(50):
        seen.append(counts(daemon))
        if len(seen) >= 4 and all(last == seen[-1] for last in seen[-4:]):
            break
        time.sleep(0.1)
    return seen[-1]


def listed(daemon):
    """Models by the name of their file or folder."""
    return {pathlib.Path(model["path"]).name: model for model in daemon.data("GET", "/api/model/available?limit=100000")["models"]}


def verdicts(models):
    """What a second scan must say again."""
    return {name: (model["model_id"], model["state"], model.get("problem"), model["warnings"], model["size_bytes"]) for name, model in models.items()}


def test_all_in_one_library_beside_a_model_in_use(corpus, start, tmp_path):
    folder, cases = corpus
    library = tmp_path / "models"
    library.mkdir()
    good = write(library / "good.safetensors", [tensor("weight", "F32", [2, MIB])])
    daemon = start(library)
    with daemon.client() as client, client.open("good") as held:
        array = held.numpy()["weight"]
        content = array.tobytes()
        daemon.scan()
        other = listed(daemon)
        before = at_rest(daemon)
        made = [*cases, *folders.cases()]
        for case in cases:
            os.link(folder / case.file, library / case.file)
        for case in folders.cases():
            case.write(library)
        daemon.scan()
        first = listed(daemon)
        wrong = [(case.id, case.want, first.get(case.file, {}).get("problem"), first.get(case.file, {}).get("warnings")) for case in made if not is_wanted(first.get(case.file), expected(case))]
        assert not wrong, wrong[:20]
        daemon.scan()
        assert verdicts(listed(daemon)) == verdicts(first)
        assert at_rest(daemon) == before and daemon.process.poll() is None
        assert first["good.safetensors"] == other["good.safetensors"]
        assert array.tobytes() == content == good.read_bytes()[-len(content):]
    assert not list(tmp_path.rglob("canary*"))
    check_texts(first.values())
    check_page(first.values())


def expected(case):
    """A scan does not list what has no suffix of a model, nor what has a vague one and is none."""
    if isinstance(case, folders.Folder):
        return case.want
    if not SEEN.search(case.file):
        return "S"
    return f"{case.want}|S" if VAGUE.search(case.file) and case.want.startswith("R") else case.want


def check_texts(models):
    """No text of a file can forge a line, and none is long."""
    for model in models:
        for text in [model.get("problem", {}).get("text", ""), *model["warnings"]]:
            assert len(text.encode()) <= 512 and text.isprintable(), text


def check_page(models):
    """Every reason and warning is on the page that explains them."""
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    reasons = {model["problem"]["reason"] for model in models if model["state"] != "ok"} | {warning.split(":")[0] for model in models for warning in model["warnings"]}
    assert len(reasons) > 50 and [reason for reason in reasons if f"`{reason}`" not in page] == []


def test_unsafe_files_are_never_loaded(corpus, start, tmp_path):
    folder, cases = corpus
    library = tmp_path / "models"
    library.mkdir()
    unsafe = [case for case in cases if case.want.startswith("U") and SEEN.search(case.file)][::25]
    for case in unsafe:
        os.link(folder / case.file, library / case.file)
    daemon = start(library)
    models = listed(daemon)
    assert len(models) == len(unsafe) > 10
    for model in models.values():
        for path, body in (("/api/model/load", {"model_id": model["model_id"], "force": True}), ("/api/model/load", {"model_id": model["model_id"]}), ("/api/model/cache", {"model_id": model["model_id"]})):
            status, answer = daemon.http("POST", path, body)
            assert status in (400, 422) and not answer["success"], answer
        assert daemon.cli("load", model["model_id"]).returncode == 5
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_outside_the_library_is_opened_and_nothing_is_run(corpus, tmp_path):
    folder, cases = corpus
    library = tmp_path / "models"
    library.mkdir()
    for case in cases[::7]:
        os.link(folder / case.file, library / case.file)
    for case in folders.cases():
        case.write(library)
    log = tmp_path / "calls"
    done = subprocess.run(["strace", "-f", "-o", log, "-e", "trace=open,openat,openat2,execve,execveat,connect,bind,sendto", HOISTD, "--scan-once", "--models", library],
                          capture_output=True, text=True, check=False, env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})  # no leaks under ptrace
    if "PTRACE" in done.stderr or not log.exists() or not done.stdout:
        pytest.skip("processes cannot be traced here")
    lines = log.read_text(errors="replace").splitlines()
    start_at = next(i for i, line in enumerate(lines) if str(library) in line and "open" in line)
    for line in lines[start_at:]:
        if "hoist-scan" in line:
            continue  # the sandbox, which a parse may start again
        call = re.search(r"(\w+)\((?:AT_FDCWD, |(\d+), )?\"([^\"]*)\"", line)
        if call is None:
            continue
        assert call.group(1) in ("open", "openat", "openat2"), line
        inside = call.group(3).startswith(str(library)) or (call.group(2) is not None and not call.group(3).startswith("/") and ".." not in call.group(3).split("/"))
        assert inside or call.group(3).startswith(SYSTEM) or call.group(3).endswith(".gcda"), line  # what an instrumented build writes
    assert all("hoistd" in line or "hoist-scan" in line for line in lines if "execve(" in line)


def test_a_split_gguf_is_whole_or_nothing(tmp_path):
    from badfiles import gguf

    def part(number, count, tensors, total, name):
        pairs = [gguf.pair("split.no", gguf.U16, number.to_bytes(2, "little")), gguf.pair("split.count", gguf.U16, count.to_bytes(2, "little")), gguf.pair("split.tensors.count", gguf.I32, gguf.u32(total))]
        return gguf.pack(pairs, [gguf.tensor(name, [8, 2])] if tensors else [], gguf.DATA if tensors else b"")

    def verify(*parts):
        folder = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for i, content in enumerate(parts):
            if content is not None:
                (folder / f"m-{i + 1:05d}-of-{len(parts):05d}.gguf").write_bytes(content)
        done = subprocess.run([HOISTD, "--verify", folder / f"m-00001-of-{len(parts):05d}.gguf"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout)

    a, b = part(0, 2, True, 2, "a"), part(1, 2, True, 2, "b")
    assert verify(a, b)["state"] == "ok"
    for parts in ((a, None), (b, a), (a, part(1, 2, True, 3, "b")), (a, part(1, 3, True, 2, "b")), (a, part(1, 2, True, 2, "a")), (a, part(7, 3, True, 2, "b"))):
        found = verify(*parts)
        assert found["state"] == "invalid" and found["problem"]["reason"] in ("split", "set"), found


def test_verify_tells_of_a_hole_at_the_end(tmp_path):
    path = write(tmp_path / "half.safetensors", [tensor("weight", "U8", [4 * MIB])])
    os.truncate(path, MIB)
    os.truncate(path, 4 * MIB + path.stat().st_size - MIB)
    whole = write(tmp_path / "whole.safetensors", [tensor("weight", "U8", [4 * MIB])])
    with open(path, "r+b") as out:
        out.truncate(MIB)
        out.truncate(whole.stat().st_size)
    warnings = [json.loads(subprocess.run([HOISTD, "--verify", name], capture_output=True, text=True, check=False).stdout)["warnings"] for name in (path, whole)]
    if warnings[0] == [] and os.stat(path).st_blocks * 512 >= path.stat().st_size:
        pytest.skip("the file system keeps no holes")
    assert len(warnings[0]) == 1 and warnings[0][0].startswith(f"zeros: nothing was ever written to the last {whole.stat().st_size - MIB} of") and warnings[1] == []


def test_what_is_no_regular_file_is_skipped_without_waiting(start, tmp_path, monkeypatch):
    library = tmp_path / "models"
    library.mkdir()
    os.mkfifo(library / "pipe.safetensors")
    (library / "folder.gguf").mkdir()
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(library)
    server.bind("socket.gguf")
    os.symlink("loop.ckpt", library / "loop.ckpt")
    os.symlink("/dev/zero", library / "zero.gguf")
    os.symlink("nowhere.gguf", library / "dangling.gguf")
    write(library / "good.safetensors", [tensor("weight", "F32", [4])])
    daemon = start(library)
    models = listed(daemon)
    assert set(models) == {"good.safetensors", "loop.ckpt", "zero.gguf", "dangling.gguf"}  # a link that leads to no file is told
    assert {name for name, model in models.items() if model["state"] == "ok"} == {"good.safetensors"}
    server.close()


def test_names_that_differ_in_case_and_odd_times_and_nested_roots(start, tmp_path):
    library = tmp_path / "models"
    (library / "inner").mkdir(parents=True)
    for name in ("M.safetensors", "m.safetensors", "inner/x.safetensors"):
        write(library / name, [tensor("weight", "F32", [4], seed=len(name))])
    for name, when in (("M.safetensors", -2_000_000_000), ("m.safetensors", (1 << 33))):
        os.utime(library / name, (when, when))
    daemon = start(library, "--models", str(library / "inner"))
    models = daemon.data("GET", "/api/model/available")["models"]
    assert sorted(pathlib.Path(model["path"]).name for model in models) == ["M.safetensors", "m.safetensors", "x.safetensors"]
    assert len({model["model_id"] for model in models}) == 3 and all(model["state"] == "ok" for model in models)
    assert daemon.scan()["files_changed"] == 0


def test_a_file_larger_than_memory_is_listed_and_refused_at_admission(start, tmp_path):
    library = tmp_path / "models"
    library.mkdir()
    size = 100 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with open(library / "huge.safetensors", "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.truncate(8 + len(header) + size)
    daemon = start(library, ram="256M")
    status, answer = daemon.http("POST", "/api/model/load", {"model_id": "huge"})
    assert status == 507 and answer["error"]["code"] == "out_of_ram" and daemon.data("GET", "/api/model/cache")["used_bytes"] == 0


@pytest.mark.parametrize("rounds", [12])
def test_a_file_cut_while_it_is_loaded_gives_an_error_and_nothing_else(start, tmp_path, rounds):
    library = tmp_path / "models"
    library.mkdir()
    path = library / "one.safetensors"
    daemon = start(library)
    outcomes = collections.Counter()
    for i in range(rounds):
        write(path, [tensor("weight", "F32", [4, MIB], seed=i % 2)]) if i < 2 else shutil.copy(tmp_path / f"copy{i % 2}", path)
        if i < 2:
            shutil.copy(path, tmp_path / f"copy{i}")
        daemon.scan()
        cutter = threading.Timer(0.001 * i, os.truncate, (path, [0, 100, 8 * MIB][i % 3]))
        cutter.start()
        status, answer = daemon.http("POST", "/api/model/load", {"model_id": "one"})
        cutter.join()
        outcomes[status] += 1
        assert status in (200, 409, 422, 503) and daemon.process.poll() is None, answer
        daemon.data("DELETE", "/api/model/unload")
        daemon.data("DELETE", "/api/model/cache")
    assert daemon.data("GET", "/api/model/cache")["used_bytes"] == 0 and sum(outcomes.values()) == rounds


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_disk_that_fails_for_a_while_condemns_no_file(start, tmp_path):
    library = tmp_path / "models"
    library.mkdir()
    good, late = (write(library / f"{name}.safetensors", [tensor("weight", "F32", [4])]) for name in ("good", "late"))
    late.rename(tmp_path / "late")
    daemon = start(library, "--no-sandbox")  # the sandbox kills what a tracer changes
    tracer = subprocess.Popen(["strace", "-f", "-o", tmp_path / "calls", "-p", str(daemon.process.pid), "-P", late, "-e", "trace=pread64", "-e", "inject=pread64:error=EIO"],
                              stderr=subprocess.PIPE, text=True)
    if "attached" not in tracer.stderr.readline():
        pytest.skip("processes cannot be traced here")
    (tmp_path / "late").rename(late)
    daemon.scan()
    models = listed(daemon)
    assert models[good.name]["state"] == "ok" and models[late.name]["state"] == "invalid"
    assert models[late.name]["problem"]["code"] == "io", models[late.name]
    tracer.terminate()
    tracer.wait()
    deadline = time.monotonic() + 20
    while listed(daemon)[late.name]["state"] != "ok":  # tried again without being asked
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_files_that_swap_names_are_never_mixed(start, tmp_path):
    """The header of one file is never used for the bytes of another, whoever renames them while they are scanned and loaded."""
    library = tmp_path / "models"
    library.mkdir()
    path = library / "one.safetensors"
    makers = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for i, maker in enumerate(makers):  # the same tensor at another place in a file of another length, all of its bytes `i + 1`
        header = json.dumps({"pad": {"dtype": "U8", "shape": [i * 4096], "data_offsets": [0, i * 4096]}, "weight": {"dtype": "U8", "shape": [MIB], "data_offsets": [i * 4096, i * 4096 + MIB]}})
        maker.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes([9]) * (i * 4096) + bytes([i + 1]) * MIB)
    shutil.copy(makers[0], path)
    daemon = start(library)
    outcomes = collections.Counter()
    for i in range(100):
        daemon.scan()
        shutil.copy(makers[(i + 1) % 2], tmp_path / "next")
        swap = threading.Timer(0.0001 * i, os.replace, (tmp_path / "next", path))
        swap.start()
        with daemon.client() as client:
            try:
                with client.open("one") as model:
                    seen = model.numpy()["weight"].tobytes()
                assert seen in (b"\1" * MIB, b"\2" * MIB)
                outcomes[seen[0]] += 1
            except hoist.HoistError as error:
                assert error.code == "file_changed", error
                outcomes[error.code] += 1
            swap.join()
            client.call("DELETE", "/api/model/cache")
    assert outcomes[1] > 0 and outcomes[2] > 0 and outcomes["file_changed"] > 0, outcomes
