"""What is said about a model: read from every source, written without touching a weight, whole after any crash."""
import json
import random
import signal
import stat
import threading
import time
import urllib.request

import numpy
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from conftest import vae
from test_access import as_root, open_to_all
from weight_files import tensor, write

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def put(daemon, body, model="one"):
    """The answer of a PUT that must succeed."""
    return daemon.data("PUT", f"/api/models/{model}/metadata", body)


def get(daemon, model="one"):
    """What is said about a model."""
    return daemon.data("GET", f"/api/models/{model}/metadata")


def header_of(path):
    """A file's metadata, by safetensors itself."""
    with safe_open(path, "np") as file:
        return file.metadata()


@pytest.fixture
def folder(tmp_path):
    """A folder with a model `one` that the library safetensors wrote."""
    models = tmp_path / "models"
    models.mkdir()
    weights = {f"layer.{i}.weight": numpy.arange(i, i + 1000, dtype=numpy.float32) for i in range(20)}
    save_file(weights, models / "one.safetensors", {"format": "pt", "modelspec.title": "From the header", "modelspec.trigger_phrase": "sks, dog",
                                                    "ss_tag_frequency": json.dumps({"10_x": {f"tag {i}": i for i in range(2000)}})})
    return models


def test_every_source_is_heard_in_its_order(start, folder):
    (folder / "one.civitai.info").write_text(json.dumps({"baseModel": "SDXL 1.0", "trainedWords": ["c"], "model": {"name": "Civitai", "type": "LORA"}}))
    (folder / "one.cm-info.json").write_text(json.dumps({"BaseModel": "Pony", "AuthorUsername": "ann", "Tags": ["style", "ink"]}))
    (folder / "one.metadata.json").write_text(json.dumps({"base_model": "Illustrious", "civitai": {"trainedWords": ["m"]}}))
    (folder / "one.json").write_text(json.dumps({"activation text": "a", "preferred weight": 0.7, "notes": "mine"}))
    (folder / "one.preview.png").write_bytes(PNG)
    said = get(start(folder))
    wanted = {"title": "From the header", "trigger_words": ["sks", "dog"], "author": "ann", "tags": ["style", "ink"], "base_model": "Illustrious", "preferred_weight": 0.7, "notes": "mine"}
    assert {key: said["metadata"][key] for key in wanted} == wanted and said["metadata"]["license"] is None
    assert said["sources"]["author"] == {"source": "cm-info", "key": "AuthorUsername"}
    assert said["raw"]["civitai"]["model.type"] == "LORA" and len(json.loads(said["raw"]["header"]["ss_tag_frequency"])["10_x"]) == 2000
    assert said["preview"] == {"path": str(folder / "one.preview.png"), "content_type": "image/png"} and said["warnings"] == []


def test_the_tags_of_a_training_set_stand_in_for_trigger_words(start, tmp_path):
    tags = {"2_a": {"cat": 3, "dog": 9}, "1_b": {"cat": 7}}
    write(tmp_path / "lora.safetensors", [tensor("w", "F32", [4])], {"ss_tag_frequency": json.dumps(tags)})
    said = get(start(tmp_path), "lora")
    assert said["metadata"]["trigger_words"] == ["cat", "dog"] and said["sources"]["trigger_words"]["source"] == "derived"


def test_a_model_shows_pairs_of_its_header_and_answers_beside_them(start, folder):
    daemon = start(folder)
    model = daemon.data("GET", "/api/models/one")
    assert model["metadata"]["modelspec.title"] == "From the header" and model["metadata"]["title"] == "From the header" and model["metadata"]["format"] == "pt"
    assert model["metadata_left_out"] == ["ss_tag_frequency"] and "ss_tag_frequency" not in model["metadata"]
    assert "triggers    sks, dog" in daemon.cli("show", "one").stdout


@pytest.mark.parametrize("broken", [b"", b"{", b"[" * 100000, b'{"notes":"\xff"}', b'{"notes":1}x', b"\x80\x02}q\x00."])
def test_a_broken_sidecar_harms_nobody(start, folder, broken):
    for suffix in (".json", ".civitai.info", ".cm-info.json", ".metadata.json", ".swarm.json"):
        (folder / f"one{suffix}").write_bytes(broken)
    with open(folder / "one.txt", "wb") as file:
        file.truncate(100 << 20)
    daemon = start(folder)
    said = get(daemon)
    assert len(said["warnings"]) == 6 and said["metadata"]["title"] == "From the header"
    assert daemon.data("GET", "/api/models/one")["state"] == "ok" and "warning" in daemon.cli("show", "one").stdout


def test_a_sidecar_is_written_and_what_others_wrote_there_stays(start, folder):
    sidecar = folder / "one.swarm.json"
    theirs = '{\n\t"modelspec.title" : "Theirs",\n\t"modelspec.author": "bob",\n\t"number": 1.10,\n\t"big": 123456789012345678901234567890\n}\n'
    sidecar.write_text(theirs)
    sidecar.chmod(0o640)
    daemon = start(folder)
    answer = put(daemon, {"metadata": {"title": "Mine", "trigger_words": ["a", "b"], "author": None}})
    assert answer["metadata"]["title"] == get(daemon)["metadata"]["title"] == "Mine" and answer["metadata"]["trigger_words"] == ["a", "b"]
    expected = theirs.replace('"Theirs"', '"Mine"').replace(',\n\t"modelspec.author": "bob"', "").replace("890\n}", '890,\n\t"modelspec.trigger_phrase": "a, b"\n}')
    assert sidecar.read_text() == expected and stat.S_IMODE(sidecar.stat().st_mode) == 0o640
    assert daemon.data("GET", "/api/models/one")["generation"] == 1 and daemon.scan()["files_changed"] == 0


def test_a_header_is_written_and_every_tensor_stays(start, folder):
    path = folder / "one.safetensors"
    path.chmod(0o600)
    before, data = load_file(path), path.read_bytes()[-80000:]
    daemon = start(folder)
    answer = put(daemon, {"title": "Ü \"quoted\"", "modelspec.trigger_phrase": None, "target": "header", "hoist.mark": "x"})
    after = load_file(path)
    assert answer["metadata"]["title"] == header_of(path)["modelspec.title"] == "Ü \"quoted\"" and header_of(path)["hoist.mark"] == "x"
    assert "modelspec.trigger_phrase" not in header_of(path) and header_of(path)["format"] == "pt"
    assert list(after) == list(before) and all(numpy.array_equal(after[key], before[key]) for key in before) and path.read_bytes()[-80000:] == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and [file.name for file in folder.iterdir()] == ["one.safetensors"]
    assert daemon.data("GET", "/api/models/one")["generation"] == 2 and daemon.scan()["files_changed"] == 0


def test_a_header_wins_over_an_older_sidecar_and_catalog(start, folder):
    daemon = start(folder)
    put(daemon, {"title": "catalog", "target": "catalog"})
    assert put(daemon, {"title": "sidecar"})["metadata"]["title"] == "sidecar"
    assert put(daemon, {"title": "header", "target": "header"})["metadata"]["title"] == "header"
    assert header_of(folder / "one.safetensors")["modelspec.title"] == "header" == get(daemon)["metadata"]["title"]


def test_a_holder_keeps_reading_the_old_file(start, folder):
    daemon = start(folder)
    before = load_file(folder / "one.safetensors")
    with daemon.client() as client, client.open("one") as model:
        held = model.numpy()
        put(daemon, {"title": "new", "target": "header"})
        (folder / "other.safetensors").write_bytes(b"x")
        assert all(numpy.array_equal(held[key], before[key]) for key in before)
        with client.open("one") as again:
            assert all(numpy.array_equal(array, before[key]) for key, array in again.numpy().items())
        assert all(numpy.array_equal(held[key], before[key]) for key in before)


def test_a_killed_daemon_leaves_the_old_file_or_the_new_one(start, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    path = write(models / "one.safetensors", [tensor("w", "U8", [32 << 20])], {"modelspec.title": "0"})
    weights, chance, outcomes = path.read_bytes()[-(32 << 20):], random.Random(7), []
    daemon = start(models, "--no-workers")
    began = time.monotonic()
    put(daemon, {"title": "whole", "target": "header"})
    whole = time.monotonic() - began
    while len(outcomes) < 8 or (len(set(outcomes)) < 2 and len(outcomes) < 40):
        old, new = header_of(path)["modelspec.title"], str(len(outcomes))
        asker = threading.Thread(target=try_put, args=(daemon, {"title": new, "target": "header"}))
        asker.start()
        time.sleep(chance.random() * 1.5 * whole)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        asker.join()
        assert header_of(path)["modelspec.title"] in (old, new) and path.read_bytes()[-(32 << 20):] == weights
        assert {file.name for file in models.iterdir() if not file.name.startswith(".hoist-")} == {"one.safetensors"}
        outcomes.append(header_of(path)["modelspec.title"] == new)
        daemon.start()
        assert daemon.data("GET", "/api/models/one")["state"] == "ok"
    assert set(outcomes) == {True, False}, "every kill came too early, or too late"


def try_put(daemon, body):
    """Ask, and bear that the daemon is gone."""
    try:
        daemon.http("PUT", "/api/models/one/metadata", body)
    except OSError:
        pass


def test_the_users_word_stays_over_restarts_moves_and_changes(start, folder):
    daemon = start(folder)
    put(daemon, {"family": "sdxl", "type": "lora", "variant": "turbo", "title": "Mine", "target": "catalog"})
    model = daemon.data("GET", "/api/models/one")
    assert (model["type"], model["family"], model["variant"]) == ("lora", "sdxl", "turbo") and not (folder / "one.swarm.json").exists()
    assert model["verdict"]["confidence"] == 1 and "you said so: family = sdxl" in model["verdict"]["evidence"] and model["verdict"]["needs_hint"] == []
    assert daemon.stop() == 0
    (folder / "sub").mkdir()
    (folder / "one.safetensors").rename(folder / "sub" / "renamed.safetensors")
    daemon.start()
    model = daemon.data("GET", "/api/models/one")
    assert model["path"].endswith("renamed.safetensors") and model["family"] == "sdxl" and model["metadata"]["title"] == "Mine"
    assert [found["model_id"] for found in daemon.data("GET", "/api/model/available?family=sdxl")["models"]] == ["one"]
    put(daemon, {"family": None, "type": None, "variant": None})
    model = daemon.data("GET", "/api/models/one")
    assert (model["type"], model["family"]) == ("other", None) and get(daemon)["override"] == {"type": None, "family": None, "variant": None}


def test_what_is_written_is_told_as_an_event(start, folder):
    daemon = start(folder)
    with daemon.client() as client:
        events = client.events()
        put(daemon, {"title": "x"})
        event = next(event for event in events if event.name == "model.available")
        assert event.data["model_id"] == "one"


@pytest.mark.parametrize("body", [
    {}, {"metadata": {}}, {"metadata": 1}, {"titel": "x"}, {"title": 1}, {"title": ["a"]}, {"title": "a\u001b[31m"}, {"title": "a\u0085"}, {"title": "x" * 70000},
    {"trigger_words": "a" * 65537}, {"trigger_words": [1]}, {"trigger_words": ["x"] * 300}, {"preferred_weight": "much"}, {"preferred_weight": 1e6}, {"preferred_weight": True},
    {"family": "SD XL"}, {"family": "../x"}, {"family": 1}, {"family": "x" * 129}, {"type": "sdxl"}, {"variant": "a/b"}, {"target": "moon", "title": "x"}, {"target": 1, "title": "x"},
    {"modelspec.x y": "1"}, {"modelspec." + "x" * 200: "1"}, {f"a.{i}": "x" for i in range(300)}, {"modelspec.title": {"a": 1}}])
def test_what_makes_no_sense_is_refused(shared_daemon, body):
    before = get(shared_daemon, "alpha")
    status, envelope = shared_daemon.http("PUT", "/api/models/alpha/metadata", body)
    assert status == 400 and envelope["error"]["code"] == "invalid_argument", envelope
    assert get(shared_daemon, "alpha") == before


def test_unknown_models_and_broken_bodies(shared_daemon):
    for method, body in (("GET", None), ("PUT", {"title": "x"})):
        assert shared_daemon.http(method, "/api/models/no-such/metadata", body)[0] == 404
    assert shared_daemon.http("PUT", "/api/models/alpha/metadata", "{")[0] == 400
    assert shared_daemon.http("PUT", "/api/models/alpha/metadata", '{"title":"a","title":"b"}')[0] == 400
    assert shared_daemon.http("GET", "/api/models/no-such/preview")[0] == 404


def test_a_sidecar_settles_what_tensors_leave_open_and_the_user_what_it_says(start, tmp_path):
    vae(tmp_path / "saved")
    (tmp_path / "models").mkdir()
    (tmp_path / "saved" / "diffusion_pytorch_model.safetensors").rename(tmp_path / "models" / "one.safetensors")
    daemon = start(tmp_path / "models")
    before = daemon.data("GET", "/api/models/one")
    assert before["family"] is None and before["verdict"]["needs_hint"]
    (tmp_path / "models" / "one.civitai.info").write_text(json.dumps({"baseModel": "SDXL 1.0"}))
    daemon.scan()
    settled = daemon.data("GET", "/api/models/one")
    assert settled["family"] == "sdxl" and any("civitai.baseModel" in sentence for sentence in settled["verdict"]["evidence"])
    put(daemon, {"family": "sd1"})
    said = daemon.data("GET", "/api/models/one")
    assert said["family"] == "sd1" and said["verdict"]["confidence"] == 1 and said["verdict"]["needs_hint"] == []


def test_a_header_that_cannot_be_written_says_what_can(shared_daemon):
    for model in ("tiny-sd", "tiny-llama"):
        status, envelope = shared_daemon.http("PUT", f"/api/models/{model}/metadata", {"title": "x", "target": "header"})
        assert status == 422 and envelope["error"]["code"] == "incompatible" and "sidecar" in envelope["error"]["message"]


def test_links_are_not_written_through(start, tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "models").mkdir()
    blob = write(tmp_path / "blobs" / "abc", [tensor("w", "F32", [4])])
    (tmp_path / "models" / "one.safetensors").symlink_to(blob)
    bytes_before = blob.read_bytes()
    daemon = start(tmp_path / "models")
    assert daemon.http("PUT", "/api/models/one/metadata", {"title": "x", "target": "header"})[1]["error"]["code"] == "incompatible"
    assert blob.read_bytes() == bytes_before and put(daemon, {"title": "x"})["metadata"]["title"] == "x"


@as_root
def test_a_folder_that_may_not_be_written_is_named_and_the_catalog_may(start, folder):
    open_to_all(folder)
    (folder / "one.safetensors").chmod(0o644)
    daemon = start(folder, "--no-workers", prepare={"user": 65534, "group": 65534, "extra_groups": []})
    for target in ("sidecar", "header"):
        status, envelope = daemon.http("PUT", "/api/models/one/metadata", {"title": "x", "target": target})
        assert status == 403 and envelope["error"]["code"] == "permission" and str(folder) in envelope["error"]["message"]
        assert {action["action"] for action in envelope["error"]["recommended_actions"]} >= {"permissions", "keep_in_catalog"}
    assert put(daemon, {"title": "x", "target": "catalog"})["metadata"]["title"] == "x" and [file.name for file in folder.iterdir()] == ["one.safetensors"]


def test_a_card_speaks_for_its_folder(start, tmp_path):
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=64)
    config._name_or_path = "org/parent"
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "README.md").write_text("---\nlicense: apache-2.0\nbase_model:\n- org/base\ntags: [text, tiny]\n---\n# Tiny\nlicense: mit\n")
    daemon = start(tmp_path)
    said = get(daemon, "tiny")["metadata"]
    assert (said["license"], said["base_model"], said["tags"]) == ("apache-2.0", "org/base", ["text", "tiny"])
    assert put(daemon, {"title": "Tiny one"}, "tiny")["metadata"]["title"] == "Tiny one" and (tmp_path / "tiny" / "hoist.swarm.json").exists()
    assert daemon.scan()["files_changed"] == 0 and daemon.data("GET", "/api/models/tiny")["generation"] == 1


def test_a_preview_is_sent_as_what_it_is(start, folder):
    daemon = start(folder)
    assert daemon.http("GET", "/api/models/one/preview")[0] == 422
    (folder / "one.jpg").write_bytes(PNG)
    with urllib.request.urlopen(daemon.url + "/api/models/one/preview", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/png" and answer.headers["X-Content-Type-Options"] == "nosniff" and answer.read() == PNG
    (folder / "one.jpg").write_bytes(b"<html><script>alert(1)</script></html>")
    assert daemon.http("GET", "/api/models/one/preview")[0] == 422


def test_the_command_line_tags(start, folder):
    daemon = start(folder)
    done = daemon.cli("tag", "one", "family=sdxl", "title=By hand", "trigger_words=x, y", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["metadata"]["trigger_words"] == ["x", "y"]
    assert daemon.cli("tag", "one", "title=In the file", "--target", "header").returncode == 0 and header_of(folder / "one.safetensors")["modelspec.title"] == "In the file"
    assert "In the file" in daemon.cli("tag", "one").stdout and "family      sdxl" in daemon.cli("show", "one").stdout
    assert daemon.cli("tag", "one", "family=").returncode == 0 and daemon.data("GET", "/api/models/one")["family"] is None
    assert daemon.cli("tag", "one", "nonsense").returncode == 2 and daemon.cli("tag", "one", "titel=x").returncode == 2 and daemon.cli("tag", "none").returncode == 3


def test_what_a_stranger_wrote_steers_no_terminal(start, tmp_path):
    write(tmp_path / "evil.safetensors", [tensor("w", "F32", [4])], {"modelspec.title": "a\x1b]0;owned\x07\u009b31mb", "modelspec.author": "x\nstate ok"})
    daemon = start(tmp_path)
    for command in (("show", "evil"), ("tag", "evil")):
        shown = daemon.cli(*command).stdout
        assert not set(shown) & {"\x1b", "\x07", "\u009b"} and "\nstate ok" not in shown


def test_many_writers_lose_nothing(start, folder):
    daemon = start(folder)

    def write_one(number):
        while daemon.http("PUT", "/api/models/one/metadata", {f"hoist.n{number}": str(number)})[0] == 409:
            time.sleep(0.01)

    writers = [threading.Thread(target=write_one, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert get(daemon)["raw"]["swarm"] == {f"hoist.n{number}": str(number) for number in range(8)}
