"""A process that asks regopy: one JSON line in (number, module, input), one out (the number, the value of data.t.p or none). It may die."""

import json
import sys

import regopy


def main() -> None:
    """Answer until the end of the input."""
    for line in sys.stdin:
        number, module, given = json.loads(line)
        interpreter = regopy.Interpreter()
        try:
            interpreter.add_module("t", module)
            interpreter.set_input(given)
            answer = str(interpreter.query("data.t.p"))
            found = {} if answer == "undefined" else {"value": json.loads(answer)["expressions"][0]}
        except Exception as error:  # noqa: BLE001  # whatever it is, it has no opinion
            found = {"error": str(error)[:200]}
        sys.stdout.write(json.dumps({"number": number, **found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
