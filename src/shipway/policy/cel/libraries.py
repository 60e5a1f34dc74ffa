"""The libraries that there are, in the order in which they are added to an environment. Used by ``environment``."""

from shipway.policy.cel import optionals, regexes, standard, strings, timestamps
from shipway.policy.cel.functions import Library

ALL: tuple[Library, ...] = (
    standard.FUNCTIONS,
    timestamps.FUNCTIONS,
    optionals.FUNCTIONS,
    regexes.FUNCTIONS,
    regexes.EXTENSION,
    regexes.KUBERNETES,
    strings.FUNCTIONS,
)
TYPES: tuple[str, ...] = ("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.URL", "kubernetes.Semver")
