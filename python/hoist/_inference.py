"""Operations of the inference domain: run models whose weights hoistd holds."""
import json
import os
import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import torch

from .errors import CompatibilityError, FormatError
from .worker import Worker, operation

BATCH = 32  # texts at once, as sentence-transformers does
KEPT = 4  # encoders (module without weights, tokenizer) kept between calls


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Modules made meanwhile get parameters without memory; buffers, which configs alone decide, are real."""
    register = torch.nn.Module.register_parameter

    def on_meta(module: torch.nn.Module, name: str, value: Any) -> None:
        if value is not None and value.device.type != "meta":
            value = torch.nn.Parameter(value.to("meta"), requires_grad=value.requires_grad)
        register(module, name, value)

    torch.nn.Module.register_parameter = on_meta  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = register  # type: ignore[method-assign]


def _read_json(folder: str, *names: str) -> Any:
    path = os.path.join(folder, *names)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).expand(states.size()).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states[:, 0]


def _largest(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, -1e9).max(1).values


_POOLINGS = {"pooling_mode_mean_tokens": _mean, "pooling_mode_cls_token": _first, "pooling_mode_max_tokens": _largest}


class _Encoder:
    """What a sentence-transformers folder says besides the weights: architecture, tokenizer, pooling, normalisation."""

    def __init__(self, folder: str) -> None:
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        with _parameters_on_meta():
            self.module = AutoModel.from_config(AutoConfig.from_pretrained(folder)).eval()
        settings = _read_json(folder, "sentence_bert_config.json") or {}
        self.longest = settings.get("max_seq_length") or self.module.config.max_position_embeddings
        self.pool, self.normalise = _mean, False
        for step in _read_json(folder, "modules.json") or []:
            self._add(folder, step)

    def _add(self, folder: str, step: Dict[str, Any]) -> None:
        kind = step["type"].rpartition(".")[2]
        if kind == "Normalize":
            self.normalise = True
        elif kind == "Pooling":
            self.pool = self._pooling(_read_json(folder, step["path"], "config.json"))
        elif kind != "Transformer":
            raise CompatibilityError(f"modules.json has a step {kind}, which embed does not do", code="incompatible",
                                     category="compatibility", status=-36)

    @staticmethod
    def _pooling(config: Dict[str, Any]) -> Any:
        wanted = [name for name, on in config.items() if name.startswith("pooling_mode_") and on]
        if len(wanted) != 1 or wanted[0] not in _POOLINGS:
            raise CompatibilityError(f"embed does not pool by {', '.join(wanted) or 'nothing'}", code="incompatible",
                                     category="compatibility", status=-36)
        return _POOLINGS[wanted[0]]

    def weights(self, tensors: Mapping[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
        """The file's tensors under the module's names; FormatError when one is missing."""
        prefix = self.module.base_model_prefix + "."
        found = {key[len(prefix):] if key.startswith(prefix) else key: tensor for key, tensor in tensors.items()}
        names = [name for name, _ in self.module.named_parameters()]
        missing = [name for name in names if name not in found]
        if missing:
            raise FormatError(f"the file lacks {len(missing)} tensors, among them {missing[0]}", code="incomplete_model",
                              category="format", status=-35)
        return {name: found[name] for name in names}

    def encode(self, weights: Mapping[str, torch.Tensor], texts: List[str]) -> torch.Tensor:
        """Embeddings of the texts, one row each."""
        inputs = self.tokenizer(texts, padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        with torch.inference_mode():
            output = torch.func.functional_call(self.module, dict(weights), kwargs=dict(inputs))
            pooled = self.pool(output.last_hidden_state, inputs["attention_mask"])
            return torch.nn.functional.normalize(pooled, p=2, dim=1) if self.normalise else pooled


class BuiltIn(Worker):
    """The inference worker that hoistd starts."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        self._encoders: Dict[Tuple[str, float], _Encoder] = {}
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """transformers takes seconds to import."""
        import transformers

        transformers.logging.set_verbosity_error()

    def _encoder(self, folder: str) -> _Encoder:
        key = (folder, os.stat(os.path.join(folder, "config.json")).st_mtime)
        with self._lock:
            if key not in self._encoders:
                while len(self._encoders) >= KEPT:
                    self._encoders.pop(next(iter(self._encoders)))
                self._encoders[key] = _Encoder(folder)
            return self._encoders[key]

    @operation("embed")
    def embed(self, model_id: str, texts: List[str]) -> Dict[str, Any]:
        """Sentence embeddings: {"model_id", "dimensions", "embeddings": [[float, ...], ...]}, in the order of `texts`.

        The weights are hoistd's own copy: nothing is read from the weight file, and the lease ends with the call."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError("texts must be a list of strings")
        encoder = self._encoder(_folder(self.client.model(model_id)))
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        rows: List[Any] = [None] * len(texts)
        with self.client.open(model_id, domain=self.domain) as model:
            weights = encoder.weights(model.tensors())
            for begin in range(0, len(order), BATCH):
                batch = order[begin:begin + BATCH]
                for i, row in zip(batch, encoder.encode(weights, [texts[i] for i in batch]).tolist()):
                    rows[i] = row
        return {"model_id": model_id, "dimensions": encoder.module.config.hidden_size, "embeddings": rows}


def _folder(model: Any) -> str:
    path = model.path or ""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if not os.path.exists(os.path.join(folder, "config.json")):
        raise CompatibilityError(f"{model.model_id} has no config.json beside its weights; embed needs a transformers folder",
                                 code="incompatible", category="compatibility", status=-36)
    return folder
