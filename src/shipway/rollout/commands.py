"""What the world is asked to do. Issued by ``decide``, executed by ``engine`` through its ports.

A command leaves no choice to whoever executes it. Its id names it for ever and its generation orders it among the
commands for the same thing: executing it twice, late or out of order is harmless.
"""

import msgspec

from shipway.model.ids import AppName, CommandId, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.workload import Workload


class StartRelease(msgspec.Struct, frozen=True, tag=True):
    """Have the processes of ``workload`` running. Answered by ``InstancesChanged`` or ``ReleaseFailed``."""

    id: CommandId
    generation: Generation
    workload: Workload


class StopRelease(msgspec.Struct, frozen=True, tag=True):
    """Drain and end every process of a release that gets no traffic. Answered by ``ReleaseStopped``."""

    id: CommandId
    generation: Generation
    app: AppName
    release: ReleaseId


class SetRoutes(msgspec.Struct, frozen=True, tag=True):
    """Have the proxy route like this. Answered by ``RoutesApplied`` once requests really follow."""

    id: CommandId
    generation: Generation
    routes: Routes


Command = StartRelease | StopRelease | SetRoutes
