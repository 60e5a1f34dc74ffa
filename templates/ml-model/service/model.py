"""The model and how it is asked. A logistic regression, so that nothing needs to be installed; put yours here.

POST /predict      {"features": {"tenure": 3, "tickets": 5}} -> {"probability": 0.93, "version": "1"}
GET /model/info    version, features, and how good it was when it was trained
"""

import json
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path

from service.web import METRICS, Answer, Request, Service, reply


@dataclass(frozen=True)
class Model:
    version: str
    bias: float
    weights: dict[str, float]
    accuracy: float
    """Share of the held-out rows that it got right, 0..1."""
    rows: int
    """How many rows it was trained on."""

    @classmethod
    def load(cls, path: Path) -> "Model":
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def predict(self, features: dict[str, float]) -> float:
        """Probability, 0..1."""
        score = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + exp(-max(-500.0, min(500.0, score))))


def answering(model: Model) -> Service:
    info = {key: value for key, value in asdict(model).items() if key not in ("bias", "weights")}
    info["features"] = sorted(model.weights)

    def answer(request: Request) -> Answer:
        if (request.method, request.path) == ("GET", "/model/info"):
            return reply(200, info)
        if (request.method, request.path) == ("POST", "/predict"):
            return predict(request.body)
        return reply(404, {"error": "see POST /predict and GET /model/info"})

    def predict(body: bytes) -> Answer:
        try:
            given = json.loads(body)["features"]
            features = {name: float(given[name]) for name in model.weights}
        except (ValueError, TypeError, KeyError):
            wanted = ", ".join(f'"{name}": 1.0' for name in sorted(model.weights))
            return reply(400, {"error": f'expected JSON such as {{"features": {{{wanted}}}}}'})
        METRICS.count("predictions_total")
        return reply(200, {"probability": round(model.predict(features), 4), "version": model.version})

    return answer
