"""Operations of the processing domain: look at weights themselves."""
import hashlib
from typing import Any, Dict, Optional

from .worker import Worker, operation


class BuiltIn(Worker):
    """The processing worker that hoistd starts."""

    @operation("digest")
    def digest(self, model_id: str, component: Optional[str] = None) -> Dict[str, Any]:
        """SHA-256 over every tensor's name, type, shape and bytes, in the order of the names: two files with equal weights have
        equal digests, whatever their metadata and layout. {"model_id", "tensors", "bytes", "sha256"}"""
        total, size = hashlib.sha256(), 0
        with self.client.open(model_id, components=[component] if component else None, domain=self.domain) as model:
            names = sorted(model.keys(component))
            for name in names:
                tensor = model.raw(name, component)
                total.update(f"{name}\0{tensor.dtype}\0{tensor.shape}\0".encode())
                total.update(tensor)
                size += tensor.nbytes
        return {"model_id": model_id, "tensors": len(names), "bytes": size, "sha256": total.hexdigest()}
