"""The service facade over a :class:`World`, and files to deploy. Used by the tests of the service and of the API."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from shipway.engine.service import Deployment, DeployRequest, Service, SourceFile
from shipway.spec import DeclaredPlatform, Source, parse_documents
from tests.engine.world import World

SHOP_FILE = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  archetype: api-service
  command: [serve]
  port: {port}
  health: /healthz
  env: {{VERSION: "{version}"}}
  slo: {{availability: 99%}}
  delivery:
    steps:
      - {{weight: 5%, for: 2s}}
      - {{weight: 50%, for: 2s}}
{more}"""

PLATFORM_FILE = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  defaults:
    health: {startup: 20s}
    delivery: {keep: 5s, warmUp: 0s, minRequests: 20}
"""


def application(name: str = "shop", *, port: int = 8080, version: str = "1", more: str = "") -> SourceFile:
    """An application file; ``more`` is appended under ``spec``."""
    return SourceFile(f"{name}.yaml", SHOP_FILE.format(name=name, port=port, version=version, more=more))


def platform(more: str = "") -> DeclaredPlatform:
    """A platform whose rollouts are over in seconds; ``more`` is appended under ``spec``."""
    found = parse_documents([Source("platform.yaml", PLATFORM_FILE + more)])
    assert found.declared_platform is not None, found.problems
    return found.declared_platform


class Vault:
    """Secret values for tests."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def resolve(self, names: Sequence[str]) -> Mapping[str, str]:
        """Digests of those that have a value."""
        return {name: sha256(self.values[name].encode()).hexdigest() for name in names if name in self.values}


class Desk:
    """A service over a running controller."""

    def __init__(self, world: World, given: DeclaredPlatform | None = None) -> None:
        self.world = world
        self.vault = Vault()
        self.busy: dict[int, str] = {}
        """Why a port cannot be had."""
        self.service = Service(
            world.engine,
            world._runtime,
            world.clock,
            secrets=self.vault,
            port_trouble=lambda port: self.busy.get(port, ""),
            platform=given or platform(),
        )

    def deploy(
        self, *files: SourceFile, sets: tuple[str, ...] = (), directory: str = "/srv", environment: str = ""
    ) -> Deployment:
        """Deploy files."""
        return self.service.deploy(
            DeployRequest(files=files, directory=directory, sets=sets, environment=environment, by="ann")
        )


async def desk(given: DeclaredPlatform | None = None) -> Desk:
    """A desk in a new world."""
    world = World()
    await world.start()
    return Desk(world, given)
