"""Typed names for the things that cross rooms. Used everywhere; holds no logic beyond how an id is spelled.

Ids are derived from counters in the state (the third release of an application is ``v3``), never drawn at random, so
that a replayed history names the same things.
"""

from typing import NewType

AppName = NewType("AppName", str)
"""``metadata.name`` of an Application: a DNS label."""

ReleaseId = NewType("ReleaseId", str)
"""One version of an application with its config, unique within the application: ``v1``, ``v2``, …"""

RolloutId = NewType("RolloutId", str)
"""One attempt to make a release live: ``<app>-<n>``, unique within the controller."""

CommandId = NewType("CommandId", str)
"""Names one command for ever: executing two commands with one id must equal executing one."""

Generation = NewType("Generation", int)
"""Rises with every change of what an application should look like. A command of an older generation is stale."""


def release_id(number: int) -> ReleaseId:
    """The id of the ``number``-th release of an application (counted from 1)."""
    return ReleaseId(f"v{number}")


def rollout_id(app: AppName, number: int) -> RolloutId:
    """The id of the ``number``-th rollout of ``app`` (counted from 1)."""
    return RolloutId(f"{app}-{number}")
