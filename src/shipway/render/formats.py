"""Layouts of compiled objects as files. The registry that ``shipway render --format`` looks into.

A format takes everything that is compiled, one application on one cluster at a time, and gives files: a path below the
output directory and its bytes. Formats other than plain YAML are added here by name, imported when they are used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from shipway.model.errors import BadInput
from shipway.model.suggestions import did_you_mean
from shipway.render import yaml
from shipway.render.compiling import Compiled
from shipway.spec.organisation import Organisation

File = tuple[str, bytes]
Format = Callable[[Organisation, Iterable[Compiled]], Iterator[File]]

FORMATS: Mapping[str, str] = {
    "yaml": "shipway.render.formats:plain_yaml",
    "argo-rollouts": "shipway.render.translations:argo_rollouts",
    "flagger": "shipway.render.translations:flagger_canaries",
    "kustomize": "shipway.render.gitops.kustomize:kustomize",
    "argocd": "shipway.render.gitops.argocd:argocd",
    "flux": "shipway.render.gitops.flux:flux",
    "backstage": "shipway.render.catalog:backstage",
}
"""Name of a format to ``module:function``."""
SHARED = "_shared"
"""In the place of an application's name: what a cluster has once. No application can be called so."""


def layout(name: str) -> Format:
    """The format's function.

    Raises:
        BadInput: there is no such format.
    """
    if name not in FORMATS:
        hint = f"There is {', '.join(FORMATS)}."
        raise BadInput(f"there is no format `{name}`{did_you_mean(name, FORMATS)}", hint=hint)
    module, _, function = FORMATS[name].partition(":")
    return cast(Format, getattr(import_module(module), function))


def plain_yaml(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """``<environment>/<cluster>/<application>.yaml``, one document per object."""
    del organisation
    for one in compiled:
        path = f"{one.environment}/{one.cluster}/{one.application or SHARED}.yaml"
        yield path, to_yaml([rendered.object for rendered in one.objects])


def to_yaml(objects: Iterable[Mapping[str, Any]]) -> bytes:
    """A stream of YAML documents."""
    return yaml.to_yaml(objects).encode()
