"""A small organisation with something of everything, for the tests of the objects around a workload."""

from functools import cache

from shipway.render.compiling import Compiled, compile_application, compile_organisation
from shipway.render.context import Context, Place
from shipway.render.rendered import Rendered
from shipway.spec.organisation import Organisation, read_organisation
from shipway.spec.reading import Source

PLATFORM = """
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments:
    dev: {defaults: {chaos: [instance-loss, network-delay, network-loss, cpu-stress]}}
    prod: {clusters: {prod-eu: eu-west-1}}
  components:
    mesh: %s
    ingress: {domain: apps.example.com, issuer: letsencrypt}
    monitoring: {labels: {release: prometheus}, runbooks: "https://runbooks.example.com"}
    tracing: {endpoint: "http://collector.observability.svc:4318"}
    databases: {backups: "s3://acme-backups"}
  prices: {cpu: $25/month}
  metrics:
    cartAbandonment: {unit: ratio}
    rankedInTime: {unit: ratio, good: 'increase(ranked_total{app="{app}",late="no"}[{{.window}}])', total: 'increase(ranked_total{app="{app}"}[{{.window}}])'}
  archetypes:
    ml-model: {delivery: {onInconclusive: extend, affinity: cookie, match: {header: x-canary}, supersede: queue}}
  profiles:
    security: {strict: {scanImages: true}}
    monitoring: {quiet: {alerts: false, dashboard: false, interval: 5s}}
"""

APPLICATIONS = """
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: checkout, team: payments, system: shop, description: Takes orders.}
spec:
  archetype: api-service
  image: registry.example.com/checkout:1.4.2
  visibility: public
  port: {http: 8080, admin: 8081, metrics: 9090}
  health: /healthz
  secrets: {STRIPE_KEY: payments/stripe-key, SESSION_KEY: payments/session}
  resources: {cpu: 500m, memory: 512Mi}
  scale: {min: 2, max: 10}
  profiles: {security: strict}
  dependsOn: [inventory, ranking, {database: postgres}, {cache: redis}]
  storage: {postgres: 20Gi}
  slo: {availability: 99.9%, latency: ["95% < 200ms", "99% < 1s"]}
  delivery:
    steps: [{weight: 5%, for: 5m}, {weight: 25%, for: 10m, approval: payments-leads}, {weight: 50%, for: 15m}]
    check: [errorRate < 0.1%, availability > 99.5%, latencyP95 < 200ms, costPerRequest < $0.002,
            costPerRequest increase < 10%, errorRate increase < 50%, requestRate > 1/s, latencyP99 increase < 20%,
            cartAbandonment < 5%]
---
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: inventory, team: stock, system: shop}
spec:
  archetype: api-service
  image: registry.example.com/inventory:2
  port: 8000
  slo: {availability: 99%}
  dependsOn: [{database: postgres/stock}]
---
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: ranking, team: stock}
spec:
  archetype: ml-model
  image: registry.example.com/ranking:2
  port: {grpc: 50051}
  host: ranking.example.com
  slo: {objectives: {rankedInTime: 99%}}
  delivery: {rollback: manual}
---
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: mailer}
spec:
  archetype: background-worker
  image: registry.example.com/mailer:2
  profiles: {monitoring: quiet}
  port: {metrics: 9100}
  dependsOn: [{queue: rabbitmq}, checkout:admin]
---
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: nightly}
spec:
  archetype: scheduled-job
  image: registry.example.com/nightly:2
  schedule: 0 3 * * *
  dependsOn: [checkout]
"""


@cache
def organisation(mesh: str = "gateway-api", platform: str = PLATFORM) -> Organisation:
    """The organisation, with one of the meshes."""
    sources = [Source("platform.yaml", platform % mesh), Source("applications.yaml", APPLICATIONS)]
    found, problems = read_organisation(sources)
    assert not problems, problems
    assert found is not None
    return found


def contexts(mesh: str = "gateway-api", environment: str = "prod") -> dict[str, Context]:
    """Every application by name, on the first cluster."""
    known = organisation(mesh)
    place = Place(known, environment, next(iter(known.clusters(environment))))
    return {context.name: context for context in place.applications()}


def everything(known: Organisation) -> list[Compiled]:
    """Every application in every environment."""
    return [one for environment in known.environments for one in compile_organisation(known, environment)]


def compiled(name: str, mesh: str = "gateway-api", environment: str = "prod") -> tuple[Rendered, ...]:
    """Every object of one application."""
    return compile_application(contexts(mesh, environment)[name])


def one(objects: tuple[Rendered, ...], kind: str, name: str = "") -> Rendered:
    """The only object of a kind (with a name)."""
    found = [each for each in objects if each.identity[1] == kind and name in {"", each.identity[3]}]
    assert len(found) == 1, [each.identity for each in objects]
    return found[0]
