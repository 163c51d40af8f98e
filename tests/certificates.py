"""Certificates for TLS on loopback, made for one test."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificates(folder: Path) -> dict[str, str]:
    """An authority of its own, and one certificate; returns the keys of `[cluster]`."""
    folder.mkdir(parents=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    ca = _builder(name, name, authority).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "screener")])
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    cert = _builder(subject, name, key).add_extension(loopback, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files = {
        "tls_ca_file": ca.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        "tls_cert": cert.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        "tls_key": private,
    }
    for file, content in files.items():
        (folder / f"{file}.pem").write_bytes(content)
    return {file: str(folder / f"{file}.pem") for file in files}


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + datetime.timedelta(days=1),
    )
