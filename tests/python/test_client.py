"""The client: what the catalog has, the verbs, events, and what happens when the daemon is not there."""
import pickle
import signal
import threading

import pytest

import hoist
from hoist import _core
from own_daemon import HOISTD, Daemon
from weight_files import tensor, write


def test_no_daemon_is_one_clear_error(tmp_path):
    with pytest.raises(hoist.DaemonUnreachable) as caught:
        hoist.connect(str(tmp_path / "nobody.sock"))
    assert caught.value.code == "unreachable" and caught.value.recoverable


def test_models_are_listed_and_filtered(client):
    models = {model.model_id: model for model in client.models()}
    assert {"types", "many", "odd"} <= set(models)
    assert models["many"].format == "safetensors" and models["many"].size_bytes > 2000 * 256
    assert models["many"].components and models["many"].state == "ok"
    assert [model.model_id for model in client.models(search="many")] == ["many"]
    assert client.models(type="lora") == []
    assert client.model("many") == models["many"]


@pytest.mark.parametrize("call", [lambda client: client.open("nothing"), lambda client: client.model("nothing"),
                                  lambda client: client.load("nothing"), lambda client: client.cache("nothing")])
def test_an_unknown_model_is_not_found(client, call):
    with pytest.raises(hoist.NotFound) as caught:
        call(client)
    assert caught.value.code == "model_not_found" and caught.value.recommended_actions


def test_an_unknown_component_is_not_found(client):
    with pytest.raises(hoist.NotFound):
        client.open("many", components=["no_such_role"])


@pytest.mark.parametrize("device", ["mps", "xpu:0", ""])
def test_a_device_of_no_known_kind_is_a_device_error(client, device):
    with pytest.raises(hoist.DeviceError, match="'cpu', 'cuda' or 'cuda:N'") as caught:
        client.open("many", device=device)
    assert caught.value.code == "device_not_found" and caught.value.recommended_actions


def test_a_file_is_opened_by_who_may_read_it(client, daemon):
    with open(daemon.library / "twins.safetensors", "rb") as file:
        model = _core.Client(daemon.socket, 5000).open_file(file.fileno(), None, 5000)
        assert (model.id, list(model.names(-1)), model.device) == ("twins", ["a", "b"], "cpu")
    with open(__file__, "rb") as file, pytest.raises(hoist.NotFound):
        _core.Client(daemon.socket, 5000).open_file(file.fileno(), None, 5000)


def test_a_shard_is_no_model(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, vocab_size=512)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "models" / "tiny", max_shard_size="300KB")
    daemon = Daemon(tmp_path, tmp_path / "models")
    with open(next((tmp_path / "models" / "tiny").glob("*-00001-*.safetensors")), "rb") as file, pytest.raises(hoist.CompatibilityError, match="open it by its id"):
        _core.Client(daemon.socket, 5000).open_file(file.fileno(), None, 5000)
    daemon.stop()


def test_load_shows_and_unload_takes_away(client):
    job = client.load("odd", pin=False)
    assert [step["step"] for step in job["steps"]] == ["validate", "estimate", "allocate", "load", "status"]
    assert client.model("odd").is_cached
    client.unload("odd")
    client.evict("odd")
    assert not client.model("odd").is_cached
    client.cache("odd")
    assert client.model("odd").is_cached
    assert client.status()


def test_events_come_as_they_happen(client):
    with client.events() as events:
        load = threading.Thread(target=client.load, args=("twins",))
        load.start()
        event = next(event for event in events if event.name == "component.state")
        load.join()
    assert event.id > 0 and isinstance(event.data, dict)


def test_an_event_stream_may_wait_for_so_long(client):
    events = client.events()
    assert events.next(timeout=0.01) is None or events.next(timeout=0) is None
    events.close()
    with pytest.raises(ValueError):
        events.next(timeout=0)


def test_a_client_travels_to_another_process(client):
    again = pickle.loads(pickle.dumps(client))
    assert [model.model_id for model in again.models()] == [model.model_id for model in client.models()]


def test_assign_gives_a_module_its_weights(daemon, client):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        module = torch.nn.Module()
        module.bias = torch.nn.Parameter(torch.empty(3))
        module.weight = torch.nn.Parameter(torch.empty(5, dtype=torch.bfloat16))
        module.scale = torch.nn.Parameter(torch.empty(1, dtype=torch.uint8), requires_grad=False)
    hoist.assign(module, "odd", client=client)
    with client.open("odd") as model:
        assert torch.equal(module.weight.view(torch.int16), model.tensors()["weight"].view(torch.int16))
    with pytest.raises(hoist.CompatibilityError):
        hoist.assign(torch.nn.Linear(2, 2), "odd", client=client)


def test_assign_gives_a_module_its_weights_in_another_precision(daemon, client):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        module = torch.nn.ModuleDict({"blocks": torch.nn.ModuleList(torch.nn.Linear(8, 8, bias=False) for _ in range(2000))})
    hoist.assign(module, "many", precision="bf16", client=client)
    with client.open("many") as model:
        assert all(torch.equal(value.view(torch.int16), model.tensors()[name].to(torch.bfloat16).view(torch.int16)) for name, value in module.state_dict().items())


def test_survives_a_restart_of_the_daemon(tmp_path):
    if not HOISTD.exists():
        pytest.skip("hoistd is not built")
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "one.safetensors", [tensor("a", "F32", [4])])
    daemon = Daemon(tmp_path, tmp_path / "models")
    with daemon.client() as client, client.open("one") as model:
        kept = model.numpy()["a"]
        before = kept.tobytes()
        daemon.stop(signal.SIGKILL)
        with pytest.raises(hoist.DaemonUnreachable):
            client.models()
        daemon.start()
        assert [found.model_id for found in client.models()] == ["one"]
        assert kept.tobytes() == before
    daemon.stop()
