"""What `rightsize` may be told on the command line: how much may go wrong, and the size of a machine."""

from shipway.insight.sizing import shipway
from shipway.insight.sizing.pooling import Need
from shipway.model.errors import BadInput
from shipway.model.quantities import QuantityError, parse_cpu, parse_memory, parse_ratio


def aim(throttled: str, killed: str) -> shipway.Aim:
    """What may go wrong at most, as written on the command line.

    Raises:
        BadInput: neither of them is a share between 0 and 1.
    """
    found = {}
    for name, text in (("--throttled", throttled), ("--killed", killed)):
        try:
            found[name] = parse_ratio(text)
        except QuantityError as error:
            raise BadInput(f"{name}: {error}") from error
        if not 0 < found[name] < 1:
            raise BadInput(f"{name}: expected more than 0% and less than 100%, got {text}")
    return shipway.Aim(found["--throttled"], found["--killed"])


def machine(text: str | None) -> Need | None:
    """The size that ``--node`` names.

    Raises:
        BadInput: it is none.
    """
    if text is None:
        return None
    cpu, _, memory = text.partition("/")
    try:
        return Need("", parse_cpu(cpu), float(parse_memory(memory)))
    except QuantityError as error:
        raise BadInput(f"--node: {error}", hint="Write CPU/MEMORY of a machine: --node 4/16Gi.") from error
