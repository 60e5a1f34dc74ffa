import json
import unittest
from pathlib import Path

from service.model import Model, answering
from service.train import read, train
from service.web import Request
from tests.running import Running

MODEL = Model.load(Path("model/model.json"))


class ModelTest(unittest.TestCase):
    def test_it_is_what_training_gives_and_good_enough_to_ship(self) -> None:
        made = train(read(Path("model/customers.csv")), MODEL.version)
        self.assertEqual(made.weights.keys(), MODEL.weights.keys())
        for name, weight in made.weights.items():
            self.assertAlmostEqual(weight, MODEL.weights[name], 4)
        self.assertGreaterEqual(made.accuracy, 0.8)

    def test_more_tickets_and_less_tenure_make_it_likelier(self) -> None:
        stays, leaves = {"tenure": 9.0, "tickets": 0.0}, {"tenure": 1.0, "tickets": 6.0}
        self.assertLess(MODEL.predict(stays), 0.1)
        self.assertGreater(MODEL.predict(leaves), 0.9)
        self.assertEqual(MODEL.predict({"tenure": -1e9, "tickets": 0.0}), 1.0)

    def test_what_cannot_be_predicted_is_said(self) -> None:
        answer = answering(MODEL)
        for body in (b"", b"[]", b'{"features": {"tenure": 1}}', b'{"features": {"tenure": "x", "tickets": 1}}'):
            said = answer(Request("POST", "/predict", body))
            self.assertEqual(said.status, 400, body)
            self.assertIn("tickets", json.loads(said.body)["error"])
        self.assertEqual(answer(Request("GET", "/predict")).status, 404)

    def test_over_the_wire(self) -> None:
        with Running() as service:
            response, text = service.ask("POST", "/predict", {"features": {"tenure": 1, "tickets": 6}})
            self.assertEqual((response.status, json.loads(text)["version"]), (200, MODEL.version))
            self.assertEqual(json.loads(service.get("/model/info")[1])["features"], ["tenure", "tickets"])
            self.assertIn("predictions_total 1", service.get("/metrics")[1])
