"""The authority's own key and certificate, and the signing of leaves (RFC 5280; ECDSA P-256, SHA-256).

Clean under strict verification, which Python 3.13 turns on: critical basicConstraints and keyUsage on
the authority, subject and authority key identifiers on every certificate.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway_authority.profile import CLOCK_SKEW, LeafProfile

AUTHORITY_LIFETIME = timedelta(days=3650)
_USAGE_OIDS = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key, both PEM; the key is PKCS #8 without a passphrase."""

    certificate_pem: bytes
    key_pem: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, deployment: str, *, now: datetime) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = cls.subject_of(deployment)
        certificate = (
            _builder(name, name, key.public_key(), now - CLOCK_SKEW, now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @staticmethod
    def subject_of(deployment: str) -> x509.Name:
        return _name(f"{deployment} authority")

    @classmethod
    def load(cls, credential: Credential) -> Self:
        """Raises ValueError when the PEM is not a certificate and its own ECDSA key."""
        certificate = x509.load_pem_x509_certificate(credential.certificate_pem)
        key = serialization.load_pem_private_key(credential.key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the authority's key does not belong to its certificate")
        return cls(certificate, key)

    def credential(self) -> Credential:
        return _credential(self.certificate, self.key)

    def issue(self, profile: LeafProfile) -> Credential:
        """A fresh key and a leaf over it that says what `profile` says."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(
                _name(profile.common_name),
                self.certificate.subject,
                key.public_key(),
                profile.not_before,
                profile.not_after,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USAGE_OIDS[usage] for usage in profile.usages]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        names = _alternative_names(profile)
        if names:
            certificate = certificate.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _credential(certificate.sign(self.key, hashes.SHA256()), key)

    def has_issued(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(profile: LeafProfile) -> list[x509.GeneralName]:
    return [
        *(x509.UniformResourceIdentifier(uri) for uri in profile.uris),
        *(x509.DNSName(name) for name in profile.dns_names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in profile.ip_addresses),
    ]


def _credential(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credential:
    return Credential(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
