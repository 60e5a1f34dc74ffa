from pathlib import Path

from service import web
from service.model import Model, answering

if __name__ == "__main__":
    model = Model.load(Path("model/model.json"))
    web.serve(answering(model))
