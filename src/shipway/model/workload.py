"""What a runtime needs to know to run one release, with nothing left to choose. Made by ``rollout.plan``."""

import msgspec

from shipway.model.ids import AppName, ReleaseId


class Probe(msgspec.Struct, frozen=True):
    """An HTTP GET that must answer 2xx or 3xx, or a TCP connect when ``path`` is empty. Times in seconds."""

    path: str = ""
    interval: float = 1.0
    timeout: float = 1.0
    failures: int = 3
    """Consecutive failures until the probe counts as failed."""


class Workload(msgspec.Struct, frozen=True):
    """N identical processes of one release."""

    app: AppName
    release: ReleaseId
    command: tuple[str, ...]
    """argv. ``{port}`` and ``{instance}`` are replaced; the port is also in the environment as ``PORT``."""
    directory: str
    """Absolute working directory."""
    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """(environment variable, digest of a value in the secret store). Values are never in the journal."""
    replicas: int = 1
    startup: Probe = Probe(failures=30)
    """Must succeed once before the others run; failing means that the release never became ready."""
    readiness: Probe = Probe()
    """Decides whether the proxy sends requests to the instance."""
    liveness: Probe | None = None
    """Failing restarts the instance."""
    memory_limit: int = 0
    """Bytes of resident memory at which the instance is killed and restarted; 0 is no limit."""
    drain_seconds: float = 5.0
    """Between leaving the proxy and SIGTERM, requests in flight may finish; after as long again, SIGKILL."""
    crash_limit: int = 3
    """Exits within ``crash_window`` that make a crash loop."""
    crash_window: float = 60.0
    log_bytes: int = 10 * 1024 * 1024
    """Size at which a log file is rotated."""
    log_files: int = 3
    """Rotated files kept per instance."""
