"""Operations of the postprocessing domain: what is done with the results of models."""
from typing import Any, Dict, List, Optional

from .worker import Worker, operation


class BuiltIn(Worker):
    """The postprocessing worker that hoistd starts."""

    def prepare(self) -> None:
        """numpy is all it needs."""
        import numpy

        self._numpy = numpy

    @operation("rank")
    def rank(self, query: List[float], embeddings: List[List[float]], top: Optional[int] = None) -> Dict[str, Any]:
        """Order embeddings by cosine similarity to `query`: {"ranking": [{"index", "score"}, ...]}, best first."""
        table = self._numpy.asarray(embeddings, dtype="float64").reshape(len(embeddings), -1)
        wanted = self._numpy.asarray(query, dtype="float64")
        lengths = self._numpy.linalg.norm(table, axis=1) * self._numpy.linalg.norm(wanted)
        scores = table @ wanted / self._numpy.maximum(lengths, 1e-12)
        best = self._numpy.argsort(-scores, kind="stable")[:top]
        return {"ranking": [{"index": int(i), "score": float(scores[i])} for i in best]}
