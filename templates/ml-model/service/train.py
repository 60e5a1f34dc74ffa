"""Train the model: `python3 -m service.train` reads model/customers.csv and writes model/model.json.

Logistic regression by gradient descent on the log loss; the last fifth of the rows is held out to measure it. No chance
is involved: the same rows give the same model, and a test says so.
"""

import csv
import sys
from pathlib import Path

from service.model import Model

FEATURES = ("tenure", "tickets")
TARGET = "left"
ROUNDS, RATE = 4000, 0.05

Row = tuple[dict[str, float], float]


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [({name: float(row[name]) for name in FEATURES}, float(row[TARGET])) for row in csv.DictReader(file)]


def train(rows: list[Row], version: str) -> Model:
    kept, held_out = rows[: len(rows) * 4 // 5], rows[len(rows) * 4 // 5 :]
    model = Model(version, 0.0, dict.fromkeys(FEATURES, 0.0), 0.0, len(kept))
    for _ in range(ROUNDS):
        errors = [(model.predict(features) - target, features) for features, target in kept]
        bias = model.bias - RATE * sum(error for error, _ in errors) / len(kept)
        weights = {
            name: weight - RATE * sum(error * features[name] for error, features in errors) / len(kept)
            for name, weight in model.weights.items()
        }
        model = Model(version, bias, weights, 0.0, len(kept))
    right = sum((model.predict(features) >= 0.5) == (target == 1) for features, target in held_out)
    rounded = {name: round(weight, 6) for name, weight in model.weights.items()}
    return Model(version, round(model.bias, 6), rounded, round(right / len(held_out), 4), len(kept))


if __name__ == "__main__":
    made = train(read(Path("model/customers.csv")), sys.argv[1] if len(sys.argv) > 1 else "1")
    made.save(Path("model/model.json"))
    print(f"version {made.version}: {made.accuracy:.0%} of the held-out rows are right")
