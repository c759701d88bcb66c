"""Which files a hoistd finds, when it notices that they changed, and how its scans are controlled."""
import hashlib
import os
import shutil
import subprocess
import time

import pytest
from own_daemon import HOISTD
from weight_files import tensor, write

MIB = 1 << 20


def available(daemon):
    """Models by id."""
    return {model["model_id"]: model for model in daemon.data("GET", "/api/model/available")["models"]}


def states(daemon):
    """States by id."""
    return {name: model["state"] for name, model in available(daemon).items()}


def wait_for(daemon, expected, seconds=10):
    """Wait until the states of all models are these. Returns the seconds that it took."""
    began = time.monotonic()
    while (found := states(daemon)) != expected:
        assert time.monotonic() - began < seconds, f"{found} instead of {expected}"
        time.sleep(0.02)
    return time.monotonic() - began


def make(path, size=1000, seed=0):
    """A small model file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, [tensor("weight", "F32", [size], seed)])


def blob_link(repository, revision, name, source):
    """Put a file into a repository as huggingface_hub does: the bytes in blobs/, a relative link in the snapshot."""
    content = source.read_bytes()
    blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link = repository / "snapshots" / revision / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


def set_main(repository, revision):
    """Say which revision main is."""
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(revision)


def pipeline_repository(folder, source, revision):
    """A whole pipeline as a repository of the cache."""
    repository = folder / "models--tiny--stable"
    for file in sorted(source.rglob("*")):
        if file.is_file():
            blob_link(repository, revision, file.relative_to(source), file)
    set_main(repository, revision)
    return repository


# What is noticed.

def test_changes_are_seen_without_a_scan(start, one_model):
    daemon = start(one_model)
    assert daemon.data("GET", "/api/model/scan")["watching"] is True
    shutil.copy(one_model / "one.safetensors", one_model / "two.safetensors")
    assert wait_for(daemon, {"one": "ok", "two": "ok"}) < 3
    (one_model / "two.safetensors").rename(one_model / "renamed.safetensors")
    deadline = time.monotonic() + 3
    while not available(daemon)["two"]["path"].endswith("renamed.safetensors"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (one_model / "renamed.safetensors").unlink()
    assert wait_for(daemon, {"one": "ok", "two": "missing"}) < 3


def test_a_folder_made_later_is_watched_too(start, one_model):
    daemon = start(one_model)
    make(one_model / "deep" / "er" / "late.safetensors")
    wait_for(daemon, {"one": "ok", "late": "ok"})
    make(one_model / "deep" / "er" / "later.safetensors", seed=1)
    wait_for(daemon, {"one": "ok", "late": "ok", "later": "ok"})


def test_a_file_being_written_is_not_judged_before_it_is_whole(start, one_model):
    daemon = start(one_model)
    content = (one_model / "one.safetensors").read_bytes()
    seen = set()
    with open(one_model / "slow.safetensors", "wb") as file:
        for at in range(0, len(content), len(content) // 20):
            file.write(content[at:at + len(content) // 20])
            file.flush()
            time.sleep(0.1)
            seen.add(states(daemon).get("slow"))
    wait_for(daemon, {"one": "ok", "slow": "ok"})
    assert seen <= {None, "ok"}


def test_a_download_that_aria2_has_not_finished_is_incomplete(start, one_model):
    (one_model / "one.safetensors.aria2").write_bytes(b"control")
    daemon = start(one_model)
    model = available(daemon)["one"]
    assert model["state"] == "invalid" and model["problem"]["code"] == "incomplete_model" and "downloaded" in model["problem"]["text"]
    (one_model / "one.safetensors.aria2").unlink()
    wait_for(daemon, {"one": "ok"})


@pytest.mark.parametrize("suffix", [".incomplete", ".part", ".tmp", ".crdownload", ".download", ".aria2", ".lock", ".partial"])
def test_a_part_of_a_download_is_no_model(start, one_model, suffix):
    (one_model / "one.safetensors").rename(one_model / f"one.safetensors{suffix}")
    assert states(start(one_model)) == {}


def test_when_not_every_folder_can_be_watched_it_looks_from_time_to_time(start, one_model):
    (one_model / "sub").mkdir()
    daemon = start(one_model, "--rescan-seconds", "1", HOIST_WATCH_MOST="1")
    scan = daemon.data("GET", "/api/model/scan")
    assert scan["watching"] is False and "max_user_watches" in scan["unwatched"]["text"]
    make(one_model / "sub" / "unwatched.safetensors")
    wait_for(daemon, {"one": "ok", "unwatched": "ok"})
    assert daemon.log_path.read_text(encoding="utf-8").count("not every folder of models is watched") == 1


def test_switched_off_nothing_is_noticed(start, one_model):
    daemon = start(one_model, "--watch", "off")
    scan = daemon.data("GET", "/api/model/scan")
    assert scan["watching"] is False and "unwatched" not in scan
    make(one_model / "two.safetensors")
    time.sleep(1.5)
    assert states(daemon) == {"one": "ok"}
    daemon.scan()
    assert states(daemon) == {"one": "ok", "two": "ok"}


def test_polled_it_looks_every_second(start, one_model):
    daemon = start(one_model, "--watch", "poll", "--rescan-seconds", "1")
    make(one_model / "two.safetensors")
    wait_for(daemon, {"one": "ok", "two": "ok"})


@pytest.mark.parametrize("flags", [["--watch", "sometimes"], ["--rescan-seconds", "soon"], ["--rescan-seconds", "-1"]])
def test_wrong_settings_are_named(flags, one_model, tmp_path):
    done = subprocess.run([HOISTD, "--models", one_model, "--state", tmp_path / "state", "--socket", tmp_path / "s", "--listen", "off", *flags],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and flags[0][2:].replace("-", "_") in done.stderr and flags[1] in done.stderr


def test_after_more_changes_than_the_kernel_keeps_the_catalog_is_true(start, one_model):
    daemon = start(one_model)
    os.kill(daemon.process.pid, 19)  # it cannot read the news: the kernel's queue overflows
    try:
        for i in range(20000):
            os.close(os.open(one_model / f"{i % 7}.bin", os.O_CREAT | os.O_WRONLY))
            os.unlink(one_model / f"{i % 7}.bin")
        make(one_model / "last.safetensors")
        (one_model / "one.safetensors").unlink()
    finally:
        os.kill(daemon.process.pid, 18)
    wait_for(daemon, {"one": "missing", "last": "ok"})


# Which folders, and which way.

def test_roots_that_overlap_give_each_file_once(start, one_model, tmp_path):
    make(one_model / "sub" / "inner.safetensors")
    (tmp_path / "link").symlink_to(one_model)
    daemon = start(one_model, "--models", str(one_model / "sub"), "--models", str(tmp_path / "link"), "--models", f"{one_model}/../{one_model.name}/.")
    found = available(daemon)
    assert {name: model["path"] for name, model in found.items()} == {"one": str(one_model / "one.safetensors"), "inner": str(one_model / "sub" / "inner.safetensors")}
    daemon.scan()
    assert available(daemon).keys() == found.keys()


def test_linked_folders_are_followed_unless_told_not_to(start, one_model, tmp_path):
    make(tmp_path / "elsewhere" / "other.safetensors")
    make(tmp_path / "third" / "file.safetensors")
    (one_model / "linked").symlink_to(tmp_path / "elsewhere")
    (one_model / "loop").symlink_to(one_model)
    (one_model / "alias.safetensors").symlink_to(tmp_path / "third" / "file.safetensors")
    (one_model / "again.safetensors").symlink_to("one.safetensors")
    assert states(start(one_model)) == {"one": "ok", "other": "ok", "alias": "ok"}
    assert states(start(one_model, "--no-follow-links")) == {"one": "ok"}
    assert states(start(one_model, "--no-follow-links", "--models", str(tmp_path / "elsewhere"))) == {"one": "ok", "other": "ok"}


def test_a_link_that_leads_nowhere_is_named_and_comes_back(start, one_model, tmp_path):
    target = make(tmp_path / "disk" / "far.safetensors")
    (one_model / "far.safetensors").symlink_to(target)
    daemon = start(one_model)
    assert states(daemon) == {"one": "ok", "far": "ok"}
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    daemon.scan()
    assert states(daemon) == {"one": "ok", "far": "missing"}
    (tmp_path / "unmounted").rename(tmp_path / "disk")
    daemon.scan()
    assert states(daemon) == {"one": "ok", "far": "ok"}
    (one_model / "never.safetensors").symlink_to("nothing")
    daemon.scan()
    assert available(daemon)["never"]["problem"]["code"] == "file_missing"


def test_pipes_sockets_and_folders_with_names_of_models_do_not_matter(start, one_model):
    os.mkfifo(one_model / "pipe.safetensors")
    (one_model / "folder.gguf").mkdir()
    (one_model / "linked.safetensors").symlink_to("pipe.safetensors")
    make(one_model / "folder.gguf" / "inside.safetensors")
    found = states(start(one_model))
    assert found.pop("linked") == "invalid" and found == {"one": "ok", "inside": "ok"}


def test_a_root_that_is_gone_marks_its_models_and_comes_back_with_the_same_ids(start, one_model, tmp_path):
    make(one_model / "sub" / "one.safetensors", seed=2)
    daemon = start(one_model)
    before = {name: model["path"] for name, model in available(daemon).items()}
    one_model.rename(tmp_path / "unmounted")
    scan = daemon.scan()
    assert scan["errors"] == 1 and str(one_model) in scan["problem"]["text"]
    assert states(daemon) == {"one": "missing", "one-2": "missing"}
    assert all("out of reach" in model["problem"]["text"] for model in available(daemon).values())
    (tmp_path / "unmounted").rename(one_model)
    daemon.scan()
    assert {name: model["path"] for name, model in available(daemon).items()} == before and set(states(daemon).values()) == {"ok"}


def test_a_root_that_goes_and_comes_back_is_noticed(start, one_model, tmp_path):
    daemon = start(one_model, "--rescan-seconds", "1")
    one_model.rename(tmp_path / "unmounted")
    wait_for(daemon, {"one": "missing"})
    assert daemon.data("GET", "/api/model/scan")["watching"] is False
    (tmp_path / "unmounted").rename(one_model)
    wait_for(daemon, {"one": "ok"})
    wait_for_watching(daemon)


def wait_for_watching(daemon):
    """Wait until every folder is watched."""
    deadline = time.monotonic() + 5
    while not daemon.data("GET", "/api/model/scan")["watching"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody who may not read")
def test_models_in_a_folder_that_cannot_be_read_are_out_of_reach(start, one_model, tmp_path):
    make(one_model / "sub" / "inner.safetensors")
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest" in str(folder):  # not the folder of all temporary files
            folder.chmod(0o755)
    daemon = start(one_model, prepare={"user": 65534, "group": 65534, "extra_groups": []})
    assert states(daemon) == {"one": "ok", "inner": "ok"}
    (one_model / "sub").chmod(0)
    scan = daemon.scan()
    assert scan["errors"] == 1 and "Permission" in scan["problem"]["text"]
    assert states(daemon) == {"one": "ok", "inner": "missing"} and "Permission" in available(daemon)["inner"]["problem"]["text"]
    (one_model / "sub").chmod(0o755)
    daemon.scan()
    assert states(daemon) == {"one": "ok", "inner": "ok"}


# The cache of huggingface_hub.

@pytest.fixture
def hub(tmp_path):
    """An empty cache."""
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


def test_a_pipeline_in_the_cache_is_one_model(start, models, hub):
    repository = pipeline_repository(hub, next(models.rglob("tiny-sd")), "0123456789abcdef")
    found = available(start(hub))
    assert list(found) == ["stable"]
    model = found["stable"]
    assert (model["state"], model["name"], model["type"], model["family"]) == ("ok", "stable", "checkpoint", "sd1")
    assert model["path"] == str(repository / "snapshots" / "0123456789abcdef")


def test_a_model_in_the_cache_can_be_used(start, models, hub):
    repository = hub / "models--org--tiny-llama"
    for file in (models / "llm" / "tiny-llama").iterdir():
        blob_link(repository, "abc", file.name, file)
    set_main(repository, "abc")
    daemon = start(hub)
    with daemon.client() as client, client.open("tiny-llama") as opened:
        assert len(opened.tensors()) > 10


def test_the_cache_that_huggingface_hub_makes_itself(start, hub, one_model, monkeypatch):
    file_download = pytest.importorskip("huggingface_hub.file_download")
    repository = hub / "models--org--lora"
    (repository / "blobs").mkdir(parents=True)
    pointer = repository / "snapshots" / "feed" / "loras" / "style.safetensors"
    pointer.parent.mkdir(parents=True)
    shutil.copy(one_model / "one.safetensors", repository / "blobs" / "aa11")
    file_download._create_symlink(str(repository / "blobs" / "aa11"), str(pointer), new_blob=False)
    assert states(start(hub)) == {"style": "ok"}


def test_the_revision_that_main_names_is_the_model(start, hub, tmp_path):
    repository = hub / "models--org--one"
    for revision, seed in (("old", 1), ("new", 2)):
        blob_link(repository, revision, "model.safetensors", make(tmp_path / f"{seed}.safetensors", seed=seed))
    set_main(repository, "new")
    daemon = start(hub)
    assert {name: model["path"] for name, model in available(daemon).items()} == {"one": str(repository / "snapshots" / "new" / "model.safetensors")}
    (repository / "refs" / "main").unlink()
    daemon.scan()
    assert set(states(daemon)) == {"one", "one-2"}


@pytest.mark.parametrize("main", ["../../x", "..", "/etc", "", "new\n../old", "x" * 300])
def test_a_main_that_leads_elsewhere_is_none(start, hub, one_model, main):
    repository = hub / "models--org--one"
    blob_link(repository, "new", "a.safetensors", one_model / "one.safetensors")
    set_main(repository, main)
    assert states(start(hub)) == {"a": "ok"}


def test_a_revision_may_have_any_name(start, hub, one_model):
    repository = hub / "models--org--one"
    blob_link(repository, "line\nbreak", "a.safetensors", one_model / "one.safetensors")
    daemon = start(hub)
    assert states(daemon) == {"a": "ok"} and "line\nbreak" in available(daemon)["a"]["path"]
    assert "/line\\x0abreak/a.safetensors\n" in daemon.cli("show", "a").stdout


@pytest.mark.parametrize("target,why", [("/etc/passwd", "leads out"), ("../../../models--org--other/blobs/x", "leads out"), ("../../refs/main", "leads out"),
                                        ("../../blobs/chain", "symbolic links"), ("bad.safetensors", "no file"), ("../../blobs/nothing", "no file")])
def test_links_of_a_snapshot_lead_to_its_own_blobs_alone(start, hub, one_model, target, why):
    other = hub / "models--org--other"
    repository = hub / "models--org--one"
    blob_link(repository, "new", "good.safetensors", one_model / "one.safetensors")
    blob_link(other, "new", "x.gguf", one_model / "one.safetensors")
    (other / "blobs" / "x").write_bytes((one_model / "one.safetensors").read_bytes())
    (repository / "blobs" / "chain").symlink_to(next(file for file in (repository / "blobs").iterdir()))
    set_main(repository, "new")
    (repository / "snapshots" / "new" / "bad.safetensors").symlink_to(target)
    model = available(start(hub))["bad"]
    assert model["state"] == "invalid" and why in model["problem"]["text"], model["problem"]


def test_blobs_and_data_sets_are_no_models(start, hub, one_model):
    repository = hub / "models--org--one"
    blob_link(repository, "new", "a.safetensors", one_model / "one.safetensors")
    shutil.copy(one_model / "one.safetensors", repository / "blobs" / "half.safetensors")
    shutil.copy(one_model / "one.safetensors", repository / "blobs" / "half.incomplete")
    blob_link(hub / "datasets--org--data", "new", "b.safetensors", one_model / "one.safetensors")
    assert states(start(hub, "--no-follow-links")) == {"a": "ok"}


# Control.

@pytest.fixture
def many(tmp_path):
    """A folder of 3,000 models."""
    folder = tmp_path / "many"
    first = make(folder / "0.safetensors", 100)
    for i in range(1, 3000):
        (folder / f"{i % 30}").mkdir(exist_ok=True)
        shutil.copy(first, folder / f"{i % 30}" / f"{i}.safetensors")
    return folder


def control(daemon, action):
    """Do something with the scan. Returns how it stands."""
    return daemon.data("POST", "/api/model/scan", {"action": action})


def touch_all(folder):
    """Make everything a changed file."""
    for path in folder.rglob("*.safetensors"):
        os.utime(path)


def test_a_scan_is_paused_and_goes_on(start, many):
    daemon = start(many, "--watch", "off")
    touch_all(many)
    control(daemon, "start")
    assert control(daemon, "pause")["state"] == "paused"
    time.sleep(0.3)
    held = daemon.data("GET", "/api/model/scan")
    time.sleep(0.3)
    still = daemon.data("GET", "/api/model/scan")
    assert still["state"] == "paused" and still["files_parsed"] == held["files_parsed"] < 3000 and still["files_seen"] == held["files_seen"]
    assert daemon.cli("scan", "--pause").stdout.startswith("paused: ")
    control(daemon, "resume")
    done = daemon.wait_for_scan()
    assert done["files_changed"] == done["files_to_parse"] == done["files_parsed"] == 3000 and done["progress"] == 1


def test_a_scan_that_is_cancelled_loses_nothing(start, many):
    daemon = start(many, "--watch", "off")
    before = available(daemon)
    touch_all(many)
    control(daemon, "start")
    control(daemon, "cancel")
    deadline = time.monotonic() + 10
    while daemon.data("GET", "/api/model/scan")["state"] != "cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert states(daemon) == {name: "ok" for name in before}
    assert daemon.scan()["files_changed"] <= 3000
    after = available(daemon)
    assert {name: model["path"] for name, model in after.items()} == {name: model["path"] for name, model in before.items()}


def test_control_without_a_scan_changes_nothing(start, one_model):
    daemon = start(one_model)
    for action in ("pause", "resume", "cancel"):
        assert control(daemon, action)["state"] == "done"
    status, envelope = daemon.http("POST", "/api/model/scan", {"action": "explode"})
    assert status == 400 and envelope["error"]["code"] == "invalid_argument"
    status, envelope = daemon.http("POST", "/api/model/scan", {"acton": "start"})
    assert status == 400


def test_starting_resumes_and_is_followed_by_another(start, many):
    daemon = start(many, "--watch", "off")
    touch_all(many)
    control(daemon, "start")
    control(daemon, "pause")
    (many / "new.safetensors").write_bytes((many / "0.safetensors").read_bytes())
    control(daemon, "start")
    deadline = time.monotonic() + 20
    while "new" not in states(daemon):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_progress_is_told(start, many):
    daemon = start(many, "--watch", "off")
    touch_all(many)
    with daemon.client() as client:
        events = client.events()
        control(daemon, "start")
        fractions = []
        for event in events:
            if event.name == "scan.progress":
                fractions.append(event.data["progress"])
                if event.data["state"] == "done":
                    break
    assert fractions[0] is None and fractions[-1] == 1.0
    known = [fraction for fraction in fractions if fraction is not None]
    assert known == sorted(known)
