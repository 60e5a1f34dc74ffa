"""Every builtin function there is, and those that are refused, with the reason."""

from collections.abc import Mapping
from typing import Final

from shipway.policy.rego.builtin import Builtin
from shipway.policy.rego.calls_collections import collections
from shipway.policy.rego.calls_encoding import encoding
from shipway.policy.rego.calls_net import net
from shipway.policy.rego.calls_numbers import numbers
from shipway.policy.rego.calls_text import text
from shipway.policy.rego.calls_time import times
from shipway.policy.rego.faults import EvaluationError
from shipway.policy.rego.runtime import gt, gte, lt, lte, neq
from shipway.policy.rego.values import Value, equal

_OWN: Final = {
    "print": Builtin("print", lambda *_: True, ""),
    "trace": Builtin("trace", lambda _: True, "*"),
    "equal": Builtin("equal", equal, "**"),
    "neq": Builtin("neq", neq, "**"),
    "lt": Builtin("lt", lt, "**"),
    "lte": Builtin("lte", lte, "**"),
    "gt": Builtin("gt", gt, "**"),
    "gte": Builtin("gte", gte, "**"),
}
BUILTINS: Final[Mapping[str, Builtin]] = {
    **_OWN, **text.builtins, **numbers.builtins, **collections.builtins, **encoding.builtins, **times.builtins,
    **net.builtins,
}  # fmt: skip

_WORLD: Final = "a policy reads its input and its data, not the world"
_CHANCE: Final = "the same request must give the same answer"
_SECRETS: Final = "tokens and certificates are verified where they arrive, not in a delivery policy"
REFUSED: Final[Mapping[str, str]] = {
    "http.send": _WORLD, "opa.runtime": _WORLD, "net.lookup_ip_addr": _WORLD,
    "rego.parse_module": _WORLD, "rand.intn": _CHANCE, "uuid.rfc4122": _CHANCE,
    **dict.fromkeys(
        ["io.jwt.decode_verify", "io.jwt.encode_sign", "io.jwt.encode_sign_raw", "io.jwt.verify_rs256", "io.jwt.verify_rs384",
         "io.jwt.verify_rs512", "io.jwt.verify_ps256", "io.jwt.verify_ps384", "io.jwt.verify_ps512", "io.jwt.verify_es256",
         "io.jwt.verify_es384", "io.jwt.verify_es512", "io.jwt.verify_hs256", "io.jwt.verify_hs384", "io.jwt.verify_hs512",
         "io.jwt.verify_eddsa", "crypto.x509.parse_certificates", "crypto.x509.parse_and_verify_certificates",
         "crypto.x509.parse_and_verify_certificates_with_options", "crypto.x509.parse_certificate_request",
         "crypto.x509.parse_keypair", "crypto.x509.parse_rsa_private_key", "crypto.parse_private_keys",
         "providers.aws.sign_req"], _SECRETS,
    ),
    **dict.fromkeys(
        ["graphql.parse", "graphql.parse_and_verify", "graphql.parse_query", "graphql.parse_schema", "graphql.is_valid",
         "graphql.schema_is_valid"], "GraphQL has no part in delivery",
    ),
    "external_data": "Gatekeeper's providers are services in the cluster; give the answers as objects or parameters",
    "regex.globs_match": "no policy in the public libraries uses it",
}  # fmt: skip
"""What is refused at load, and why."""


def _stand_in(name: str, arity: int) -> Builtin:
    def refuse(*_: object) -> Value:
        raise EvaluationError("eval_builtin_error", f"{name} is not supported outside of a `with` that replaces it")

    return Builtin(name, refuse, "*" * arity)


STAND_INS: Final[Mapping[str, Builtin]] = {
    name: _stand_in(name, arity)
    for name, arity in {
        "http.send": 1, "opa.runtime": 0, "net.lookup_ip_addr": 1, "rand.intn": 2, "uuid.rfc4122": 1,
    }.items()
}  # fmt: skip
"""What is refused unless a test of the modules replaces it by ``with http.send as ...``."""
