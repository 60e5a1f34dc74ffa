"""Routes and endpoints in, Envoy configuration out: plain ordered data, byte-stable, no I/O.

Called by ``runtimes.local`` (which writes the files) and ``metrics.envoy`` (which needs the cluster names). Each
discovery document is a file of its own, so that a change of weights touches routes alone and a change of endpoints
neither routes nor clusters. Versions are content hashes: the same document always has the same version, and Envoy
reporting a version means that it has applied exactly that document.

Per release there are two clusters over the same endpoints: one for the measured split, one for requests that chose
their side themselves (:class:`~shipway.model.routing.CanaryMatch`), so that the latter are in nobody's statistics.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shipway.model.ids import AppName, ReleaseId
from shipway.model.routing import Routes

Document = Mapping[str, object]
"""What ``json.dumps`` takes; key order is the order of writing."""

WEIGHT_TOTAL = 10_000
"""Envoy gets integers out of this, one per 0.01 %."""

RELEASE_HEADER = "x-shipway-release"
"""Response header that names the release which answered (also when the proxy answered on its behalf)."""

CONNECT_TIMEOUT = "1s"
"""Everything is on loopback: a second without an answer is a full accept queue."""

UPSTREAM_IDLE = "1.5s"
"""Idle connections to instances are closed by the proxy before the service does (gunicorn 2 s, uvicorn and Node 5 s),
because a request sent while the other end closes is lost."""

SILENCE = "30s"
"""A request whose instance sends no byte for this long is answered 504. Not a limit on the whole answer, so that streams
live; not a downstream timer, because only the router's own timeouts count in the cluster's statistics."""

MAX_CONNECTIONS = 10_000
"""From clients, all applications together; beyond it new connections are refused rather than memory exhausted."""

_TYPE = "type.googleapis.com/envoy."
_HTTP = _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_STATS_LOG = _TYPE + "extensions.access_loggers.stats.v3.Config"
_ROUTER = _TYPE + "extensions.filters.http.router.v3.Router"
_PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Files(msgspec.Struct, frozen=True):
    """Where the documents lie, as absolute paths. Names inside follow from app and release."""

    directory: str

    @property
    def listeners(self) -> str:
        """Listener discovery document, all applications."""
        return f"{self.directory}/lds.json"

    @property
    def clusters(self) -> str:
        """Cluster discovery document, all releases."""
        return f"{self.directory}/cds.json"

    def routes(self, app: AppName) -> str:
        """Route discovery document of one application."""
        return f"{self.directory}/rds/{app}.json"

    def endpoints(self, app: AppName, release: ReleaseId) -> str:
        """Endpoint discovery document of one release."""
        return f"{self.directory}/eds/{app}/{release}.json"


def cluster_name(app: AppName, release: ReleaseId) -> str:
    """Cluster of the release's share in the measured split; statistics are named after it."""
    return f"{app}/{release}"


def pinned_cluster_name(app: AppName, release: ReleaseId) -> str:
    """Cluster of the requests that chose this release themselves."""
    return f"{app}/{release}/pinned"


def truncated_stat(cluster: str) -> str:
    """Counter of answers that began with a good status and broke off: Envoy's own counters call them 2xx."""
    return f"shipway.truncated.arm.{cluster}"


def abandoned_stat(cluster: str) -> str:
    """Histogram, in ms, of how long clients had waited when they left before the answer began: in no other counter."""
    return f"shipway.abandoned.arm.{cluster}"


def encode(document: Document) -> bytes:
    """The bytes of a file, in the order of the data."""
    return json.dumps(document, indent=1).encode() + b"\n"


def bootstrap(files: Files, admin_socket: str) -> Document:
    """Envoy's static start: node, admin on a UNIX socket of mode 0600 and nothing else, discovery by files.

    ``admin_socket`` may be relative to Envoy's working directory: a socket path is limited to 107 bytes.
    """
    return {
        "node": {"id": "shipway", "cluster": "shipway"},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "dynamic_resources": {"lds_config": _source(files.listeners), "cds_config": _source(files.clusters)},
        # Histograms are merged when somebody reads them, not every five seconds.
        "stats_flush_on_admin": True,
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def listener_document(apps: Iterable[Routes], files: Files) -> Document:
    """One listener per application on 127.0.0.1."""
    return _discovery("config.listener.v3.Listener", [_listener(routes, files) for routes in apps])


def cluster_document(releases: Iterable[tuple[AppName, ReleaseId]], files: Files) -> Document:
    """Two clusters per release, both fed by the release's endpoint document."""
    found = [
        _cluster(name(app, release), app, release, files)
        for app, release in releases
        for name in (cluster_name, pinned_cluster_name)
    ]
    return _discovery("config.cluster.v3.Cluster", found)


def endpoint_document(app: AppName, release: ReleaseId, ports: Sequence[int]) -> Document:
    """The loopback ports that may get requests now; none of them is a valid answer."""
    hosts = [{"endpoint": {"address": _address(port)}} for port in ports]
    return _discovery(
        "config.endpoint.v3.ClusterLoadAssignment",
        [{"cluster_name": cluster_name(app, release), "endpoints": [{"lb_endpoints": hosts}]}],
    )


def route_document(routes: Routes) -> Document:
    """Where requests of one application go. The version starts with the generation, for people and for stale checks."""
    host = {"name": routes.app, "domains": ["*"], "routes": [*_pinned(routes), *_split(routes)]}
    config = {"name": routes.app, "virtual_hosts": [host]}
    return _discovery("config.route.v3.RouteConfiguration", [config], prefix=f"{routes.generation}-")


def version_of(document: Document) -> str:
    """The version that Envoy reports once it has applied ``document``."""
    return str(document["version_info"])


def _discovery(kind: str, resources: Sequence[Document], prefix: str = "") -> Document:
    found = [{"@type": _TYPE + kind, **resource} for resource in resources]
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]
    return {"version_info": prefix + digest, "resources": found}


def _connection_limit() -> Document:
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = _TYPE + "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {"name": name, "typed_config": {"@type": kind, "max_active_downstream_connections": MAX_CONNECTIONS}}


def _source(path: str) -> Document:
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}


def _address(port: int) -> Document:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(routes: Routes, files: Files) -> Document:
    manager: Document = {
        "@type": _HTTP,
        "stat_prefix": routes.app,
        "rds": {"route_config_name": routes.app, "config_source": _source(files.routes(routes.app))},
        "use_remote_address": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": _local_replies(routes.app),
        "access_log": [_truncated(), _abandoned()],
        "http_filters": [
            {"name": "router", "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True}},
        ],
    }
    return {
        "name": routes.app,
        "address": _address(routes.port),
        # With SO_REUSEPORT a second proxy could take half of the connections without an error.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _local_replies(app: AppName) -> Document:
    """A clear sentence where Envoy would say ``no healthy upstream``."""
    no_instance = {"response_flag_filter": {"flags": ["UH"]}}
    return {
        "mappers": [{"filter": no_instance, "body": {"inline_string": f"no instance of {app} is ready\n"}}],
    }


def _truncated() -> Document:
    broken = {"response_flag_filter": {"flags": ["LR", "UR", "UC", "UT", "UPE", "SI"]}}
    metric = {"counters": [{"stat": _per_arm("truncated"), "value_fixed": 1}]}
    return _stats_log("truncated", [broken, _status("GE", 1), _status("LE", 499)], metric)


def _abandoned() -> Document:
    left = {"response_flag_filter": {"flags": ["DC"]}}
    waited = {"stat": _per_arm("abandoned"), "unit": "Milliseconds", "value_format": "%DURATION%"}
    return _stats_log("abandoned", [left, _status("EQ", 0)], {"histograms": [waited]})


def _stats_log(name: str, filters: Sequence[Document], metric: Document) -> Document:
    config = {"@type": _STATS_LOG, "stats_scope": {"prefix": "shipway"}, **metric}
    return {"name": name, "filter": {"and_filter": {"filters": list(filters)}}, "typed_config": config}


def _status(op: str, code: int) -> Document:
    """Filter on the status sent to the client, 0 when none was."""
    value = {"default_value": code, "runtime_key": "shipway.unset"}
    return {"status_code_filter": {"comparison": {"op": op, "value": value}}}


def _per_arm(name: str) -> Document:
    return {"name": name, "tags": [{"name": "arm", "value_format": "%UPSTREAM_CLUSTER_RAW%"}]}


def _cluster(name: str, app: AppName, release: ReleaseId, files: Files) -> Document:
    options = {
        "@type": _TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "service_name": cluster_name(app, release),
            "eds_config": _source(files.endpoints(app, release)),
        },
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "ROUND_ROBIN",
        # The endpoint list holds only instances whose probes pass; when it is short, that is not a reason to guess.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {_PROTOCOL: options},
    }


def _split(routes: Routes) -> list[Document]:
    """The measured split. With cookie affinity a second route hands the cookie to clients that have none."""
    if routes.affinity.by != "cookie":
        return [_route({"prefix": "/"}, _weighted(routes))]
    name = routes.affinity.name
    returning = {"prefix": "/", "headers": [_cookie(name, "[^;]+")]}
    cookie = f"{name}=%REQ(x-request-id)%; Path=/; HttpOnly; SameSite=Lax"
    newcomer = _route({"prefix": "/"}, _weighted(routes), [_header("set-cookie", cookie, "APPEND_IF_EXISTS_OR_ADD")])
    return [_route(returning, _weighted(routes)), newcomer]


def _weighted(routes: Routes) -> Document:
    """The canary comes first: a client's hash falls below the canary's weight or not, so a rise only adds clients."""
    shares = sorted(routes.weights, key=lambda entry: (entry[0] != routes.canary, entry[0]))
    action: Document = {
        "clusters": [
            {
                "name": cluster_name(routes.app, release),
                "weight": round(share * WEIGHT_TOTAL / 100),
                "response_headers_to_add": [_header(RELEASE_HEADER, release)],
            }
            for release, share in shares
        ]
    }
    policy = _hash_policy(routes)
    if not policy:
        return {"weighted_clusters": action}
    return {"weighted_clusters": {**action, "use_hash_policy": True}, "hash_policy": policy}


def _hash_policy(routes: Routes) -> list[Document]:
    """What is hashed. A newcomer's cookie will hold its request id, so the first answer already fits the later ones."""
    match routes.affinity.by:
        case "cookie":
            cookie: Document = {"cookie": {"name": routes.affinity.name}, "terminal": True}
            return [cookie, {"header": {"header_name": "x-request-id"}}]
        case "header":
            return [{"header": {"header_name": routes.affinity.name}}]
        case _:
            return []


def _pinned(routes: Routes) -> list[Document]:
    """Requests that choose: ``always`` the canary, ``never`` the release that carries most of the rest."""
    if routes.canary is None:
        return []
    others = [(share, release) for release, share in routes.weights if release != routes.canary]
    targets = {"always": routes.canary} | ({"never": max(others)[1]} if others else {})
    found = []
    for value, release in targets.items():
        action: Document = {"cluster": pinned_cluster_name(routes.app, release)}
        for matcher in _choices(routes, value):
            headers = [_header(RELEASE_HEADER, release)]
            found.append(_route({"prefix": "/", "headers": [matcher]}, action, headers))
    return found


def _choices(routes: Routes, value: str) -> list[Document]:
    header, cookie = routes.match.header, routes.match.cookie
    by_header: list[Document] = [{"name": header, "string_match": {"exact": value}}] if header else []
    return by_header + ([_cookie(cookie, value)] if cookie else [])


def _cookie(name: str, value: str) -> Document:
    """Matches a request whose Cookie header has ``name`` with a value of the pattern ``value``."""
    pattern = rf"(.*;\s*)?{re.escape(name)}={value}(\s*;.*)?"
    return {"name": "cookie", "string_match": {"safe_regex": {"regex": pattern}}}


def _route(match: Document, action: Document, headers: Sequence[Document] = ()) -> Document:
    route = {
        **action,
        "timeout": "0s",
        # No retries: they would hide the evidence. The policy is here for its idle timer alone.
        "retry_policy": {"num_retries": 0, "per_try_idle_timeout": SILENCE},
    }
    added = {"response_headers_to_add": list(headers)} if headers else {}
    return {"match": match, "route": route, **added}


def _header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Document:
    return {"header": {"key": name, "value": value}, "append_action": action}
