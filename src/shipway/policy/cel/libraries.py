"""The libraries that there are, in the order in which they are added to an environment. Used by ``environment``."""

from shipway.policy.cel import (
    lists,
    mathematics,
    names,
    networks,
    optionals,
    regexes,
    standard,
    strings,
    timestamps,
    versions,
)
from shipway.policy.cel.functions import Library

STANDARD: tuple[Library, ...] = (standard.FUNCTIONS, timestamps.FUNCTIONS, regexes.FUNCTIONS)
EXTENSIONS: tuple[Library, ...] = (
    optionals.FUNCTIONS,
    strings.FUNCTIONS,
    mathematics.FUNCTIONS,
    lists.EXTENSION,
    regexes.EXTENSION,
    networks.FUNCTIONS,
)
KUBERNETES: tuple[Library, ...] = (regexes.KUBERNETES, lists.KUBERNETES, versions.FUNCTIONS, names.FUNCTIONS)
ALL = (*STANDARD, *EXTENSIONS, *KUBERNETES)
TYPES: tuple[str, ...] = (
    "net.IP",
    "net.CIDR",
    "kubernetes.Quantity",
    "kubernetes.URL",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
)
