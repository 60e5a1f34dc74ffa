"""``policy serve``: the admission webhook as processes, with TLS. The application itself is ``web.admission``."""

import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from starlette.applications import Starlette

from shipway.cli.policing.policies import PolicyDirectory, manifests, stamp_of
from shipway.cli.policing.scanning import scan
from shipway.model.errors import BadInput, RuntimeFault
from shipway.policy.evaluating import Evaluator
from shipway.web.admission.app import create_app
from shipway.web.admission.configuration import configuration
from shipway.web.admission.inventory import Inventory

if TYPE_CHECKING:
    from cryptography import x509

KEPT_OPEN = 120
"""Seconds that a connection may be idle. An API server keeps one for 90 s, and a review sent just as we close it would fail."""
_OPTIONS = "SHIPWAY_ADMISSION"
"""Environment variable through which worker processes learn what to serve."""
DAYS = 365
"""For which a certificate of our own making is good."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve."""

    policies: str = ""
    environment: str = ""
    pack: bool = True
    host: str = "127.0.0.1"
    port: int = 8443
    workers: int = 1
    certificate: str = ""
    key: str = ""
    every: float = 2.0
    inventory: tuple[str, ...] = ()
    """Files and directories of manifests: what else there is."""
    remember: bool = False
    """Also what was admitted."""


def serve(asked: Serving) -> None:
    """Serve until a signal.

    Raises:
        BadInput: policies or certificates cannot be used.
    """
    # What is wrong with files arrives here and not in the log of a worker.
    _evaluator(asked)
    manifests(tuple(map(Path, asked.inventory)))
    _check_place(asked)
    if asked.remember and asked.workers > 1:
        raise BadInput(
            f"--remember: expected one worker, since each remembers what it has admitted itself; got {asked.workers}",
            hint="Leave out --workers, or name manifests with --inventory.",
        )
    os.environ[_OPTIONS] = msgspec.json.encode(asked).decode()
    uvicorn.run(
        "shipway.cli.policing.serving:worker",
        factory=True,
        host=asked.host,
        port=asked.port,
        workers=asked.workers,
        ssl_certfile=asked.certificate or None,
        ssl_keyfile=asked.key or None,
        log_level="warning",
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=5,
    )


def _check_place(asked: Serving) -> None:
    """Raise BadInput for a certificate that cannot be used, RuntimeFault for a port that cannot be had."""
    if asked.certificate:
        _pem(asked.certificate)
        _pem(asked.key)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(asked.certificate, asked.key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise BadInput(
                f"--certificate {asked.certificate} and --key {asked.key} cannot be used together: {error}",
                hint="Expected PEM: the certificate with its chain, and its own private key without a passphrase.",
            ) from error
    try:
        with socket.create_server((asked.host, asked.port), reuse_port=False):
            pass
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        hint = "Choose another --port, or an address of this machine for --host."
        raise RuntimeFault(f"cannot listen on {asked.host}:{asked.port}: {reason}", hint=hint) from error


def _pem(file: str) -> bytes:
    """The bytes of a PEM file.

    Raises:
        BadInput: it cannot be read, or is something else.
    """
    try:
        found = Path(file).read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    if b"-----BEGIN " not in found:
        raise BadInput(f"{file}:1: expected PEM, which begins with -----BEGIN; got something else")
    return found


def worker() -> Starlette:
    """The application of one worker process; uvicorn calls it."""
    asked = msgspec.json.decode(os.environ[_OPTIONS], type=Serving)
    directory = _directory(asked)
    return create_app(
        lambda: directory.policies().evaluator(asked.environment),
        directory.stamp,
        worker=str(os.getpid()),
        every=asked.every,
        scan=scan,
        inventory=_inventory(asked),
    )


def _inventory(asked: Serving) -> Inventory | None:
    """None: nobody has said what else there is."""
    if not asked.inventory and not asked.remember:
        return None
    paths = tuple(map(Path, asked.inventory))
    return Inventory(lambda: manifests(paths), lambda: stamp_of(paths), remember=asked.remember)


def printed(asked: Serving, service: str) -> str:
    """The webhook's configuration for a cluster."""
    authority = _pem(asked.certificate) if asked.certificate else b""
    scheme = "https" if asked.certificate else "http"
    return configuration(
        _evaluator(asked).rules,
        url=f"{scheme}://{asked.host}:{asked.port}",
        service=service,
        authority=authority,
    )


def _directory(asked: Serving) -> PolicyDirectory:
    return PolicyDirectory(*([Path(asked.policies)] if asked.policies else []), pack=asked.pack)


def _evaluator(asked: Serving) -> Evaluator:
    if asked.policies and not Path(asked.policies).exists():
        raise BadInput(f"{asked.policies}: no such file or directory")
    return _directory(asked).policies().evaluator(asked.environment)


def self_signed(directory: Path, hosts: list[str]) -> tuple[Path, Path]:
    """(certificate, key) for these hosts in a directory, made unless they are there and good for another day.

    Raises:
        BadInput: the package that makes them is not installed.
    """
    certificate, key = directory / "tls.crt", directory / "tls.key"
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise BadInput(
            "making a certificate needs the package `cryptography`",
            hint="pip install 'shipway[tls]', or give --certificate and --key.",
        ) from None
    now = datetime.now(UTC)
    if certificate.exists() and key.exists():
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        if found.not_valid_after_utc > now + timedelta(days=1):
            return certificate, key
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0][:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(one) for one in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key.touch(mode=0o600)
    key.write_bytes(private)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _name(host: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
