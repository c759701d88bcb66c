"""Folders of diffusers and transformers: what their JSON files name must lie beneath them and be there."""
import dataclasses
import json

from badfiles import safetensors
from badfiles.safetensors import record

WEIGHTS = safetensors.pack({"w": record("F32", [2, 2], 0, 16)}, bytes(range(16)))
OTHER = safetensors.pack({"v": record("F32", [2], 0, 8)}, bytes(range(8)))
CONFIG = {"_class_name": "UNet2DConditionModel"}
INDEX = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
SHARD_INDEX = "model.safetensors.index.json"


@dataclasses.dataclass
class Folder:
    """A model folder and what must come of it; the outcomes are those of a Case."""

    id: str
    """Of the rule, then what this folder is."""
    files: dict
    """Its files by path: bytes, or what is written as JSON; a text is the target of a link, None a folder."""
    want: str
    """The outcome."""

    @property
    def file(self):
        """The folder's name."""
        return self.id.replace("/", "-")

    def write(self, library):
        """Write it. Returns its path."""
        root = library / self.file
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir()
            elif isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return root


def pipeline(index=None, **files):
    """A pipeline with a UNet; keys of `files` with a double underscore are paths."""
    made = {"model_index.json": {**INDEX, **(index or {})}, "unet/config.json": CONFIG, "unet/diffusion_pytorch_model.safetensors": WEIGHTS, "scheduler/scheduler_config.json": {}}
    return {**made, **{name.replace("__", "/"): content for name, content in files.items()}}


def shards(weight_map=None, metadata=None, **files):
    """A transformers folder of two shards."""
    index = {"metadata": metadata or {}, "weight_map": {"w": "a.safetensors", "v": "b.safetensors"} if weight_map is None else weight_map}
    made = {"config.json": {"model_type": "bert"}, SHARD_INDEX: index, "a.safetensors": WEIGHTS, "b.safetensors": OTHER}
    return {name: content for name, content in {**made, **{name.replace("__", "."): content for name, content in files.items()}}.items() if content != b"gone"}


def pipelines():
    """(name, files, outcome)."""
    yield "DF-001", pipeline(), "A"
    yield "DF-001/vae", pipeline({"vae": ["diffusers", "AutoencoderKL"]}, vae__config=CONFIG) | {"vae/diffusion_pytorch_model.safetensors": WEIGHTS}, "A"
    yield "DF-002/off", pipeline({"safety_checker": [None, None], "requires_safety_checker": False, "note": "text", "number": 5, "object": {"a": 1}}), "A"
    for i, key in enumerate(("../other", "/etc", "..", "a/../../b", "unet/../../x", ".", "a\\b", "unet/sub", "", "a\0b")):
        yield f"DF-010/{i}", pipeline({key: ["diffusers", "UNet2DConditionModel"]}), "R:path|R:name"
    for i, value in enumerate((["a"], ["a", "b", "c"], [["x"], "y"], [["x", "y"]], [1, 2], [{}, "x"], [])):
        yield f"DF-011/{i}", pipeline({"vae": value}), "R:type"
    yield "DF-012/missing", pipeline({"vae": ["diffusers", "AutoencoderKL"]}), "R:incomplete"
    yield "DF-012/many", pipeline({f"part{i}": ["diffusers", "X"] for i in range(100)}), "L:components"
    yield "DF-012/no-json", {**pipeline(), "model_index.json": b"{"}, "R:json"
    yield "DF-012/duplicate", {**pipeline(), "model_index.json": b'{"unet":["a","b"],"unet":["a","c"]}'}, "R:duplicate"
    yield "DF-012/linked-out", {**pipeline(), "unet/diffusion_pytorch_model.safetensors": "../../good.safetensors"}, "R"
    yield "DF-013", pipeline(pipeline__py=b"open('canary', 'w')", unet__model__py=b"open('canary', 'w')") | {"unet/config.json": {**CONFIG, "auto_map": {"AutoModel": "x.Y"}, "trust_remote_code": True}}, "A"
    yield "DF-014/code", {"config.json": {"model_type": "bert", "auto_map": {"AutoModel": "evil.Evil"}, "_attn_implementation_internal": "a/b"}, "model.safetensors": WEIGHTS, "evil.py": b"open('canary', 'w')"}, "A"
    yield "DF-021", {"config.json": {"model_type": "bert", "hidden_size": 4096}, "model.safetensors": WEIGHTS}, "A"


def sets():
    """(name, files, outcome)."""
    yield "DF-003", shards(), "A"
    for i, value in enumerate(("../../x.safetensors", "/etc/passwd", "", ".", "..", "sub/a.safetensors", "x" * (1 << 20), ".hidden", "a\\b")):
        yield f"DF-015/{i}", shards({"w": value}), "R:path"
    for i, value in enumerate((5, None, ["a.safetensors"], {"a": "b"}, True)):
        yield f"DF-015/kind-{i}", shards({"w": value}), "R:type"
    yield "DF-015/nul", shards({"w": "a\0b"}), "R:name"
    yield "DF-015/folder", {**shards({"w": "d.safetensors"}), "d.safetensors": None}, "R"
    yield "DF-015/link-out", {**shards(b__safetensors=b"gone"), "b.safetensors": "/etc/passwd"}, "R"
    yield "DF-015/link-self", {**shards(b__safetensors=b"gone"), "b.safetensors": "b.safetensors"}, "R"
    yield "DF-016/no-shard", shards(b__safetensors=b"gone"), "R:set"
    yield "DF-016/lacks", shards({"w": "a.safetensors", "v": "b.safetensors", "u": "b.safetensors"}), "R:set"
    yield "DF-016/not-in-map", shards({"w": "a.safetensors"}) | {"a.safetensors": safetensors.pack({"w": record("U8", [1], 0, 1), "x": record("U8", [1], 1, 2)}, b"ab")}, "R:set"
    yield "DF-016/other-shard", shards({"w": "b.safetensors", "v": "a.safetensors"}), "R:set"
    yield "DF-017/duplicate", {**shards(), SHARD_INDEX: b'{"weight_map":{"w":"a.safetensors","w":"b.safetensors"}}'}, "R:duplicate"
    yield "DF-017/other-keys", {**shards(), SHARD_INDEX: {"x": {"a": [1]}, "metadata": [1], "y": 1, "weight_map": {"w": "a.safetensors", "v": "b.safetensors"}}}, "A"
    yield "DF-017/cut", {**shards(), SHARD_INDEX: b'{"weight_map":{"w":"a.safe'}, "R:json"
    yield "DF-017/deep", {**shards(), SHARD_INDEX: b'{"x":' + b"[" * 100_000}, "R:depth"
    yield "DF-017/broken-shard", shards(b__safetensors=OTHER[:-1]), "R:truncated"
    yield "DF-017/many-files", shards({f"t{i}": f"f{i}" for i in range(5000)}), "L:shards"
    yield "DF-018/right", shards(metadata={"total_size": 24}), "A"
    yield "DF-018/wrong", shards(metadata={"total_size": 25}), "A+total_size"
    for i, value in enumerate((-1, "24", None, 1e9, [1])):
        yield f"DF-018/no-number-{i}", shards(metadata={"total_size": value}), "A"
    yield "DF-020", shards({f"layer.{i}.weight": "a.safetensors" for i in range(600_000)}), "L:tensors"


def cases():
    """Every folder."""
    return [Folder(*row) for part in (pipelines, sets) for row in part()]
