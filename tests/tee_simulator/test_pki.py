# SPDX-License-Identifier: Apache-2.0
"""The test PKI, compared with Intel's.

given a simulated certificate and Intel's of the same kind
    it should have the same shape: the same tags in the same order, the same fixed values
given a folder
    it should keep the PKI in it, with the seed readable only by the owner
    when one of its files is missing or foreign
        it should say so and sign nothing
"""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator import SimulatedEnclave, SimulatedPki
from tee_simulator.errors import DirectoryUnusable, PkiDamaged
from teetee.quotes.quote import Quote

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"

CONSTRUCTED = 0x20
TEXT = {0x0C, 0x13, 0x17}  # names and dates differ, their kind does not


def shape(der: bytes) -> list[object]:
    """The tags of a DER element and all below it; primitives which aren't text with their length.

    Integers come without their length: a serial number or a signature may begin with a zero byte.
    """
    found: list[object] = []
    position = 0
    while position < len(der):
        tag, size, header = der[position], der[position + 1], 2
        if size & 0x80:
            header += size & 0x7F
            size = int.from_bytes(der[position + 2 : position + header], "big")
        content = der[position + header : position + header + size]
        if tag & CONSTRUCTED:
            found.append((tag, shape(content)))
        elif tag == 0x06:
            found.append((tag, content.hex()))
        else:
            found.append(tag)
        position += header + size
    return found


def extensions(certificate: x509.Certificate) -> list[tuple[str, bool]]:
    return [(entry.oid.dotted_string, entry.critical) for entry in certificate.extensions]


def intels(name: str) -> x509.Certificate:
    return x509.load_der_x509_certificate((VECTORS / "certs" / f"{name}.der").read_bytes())


@pytest.mark.parametrize(
    ("actual", "theirs"),
    [
        pytest.param("root", "intel_sgx_root_ca", id="root"),
        pytest.param("platform_ca", "intel_sgx_pck_platform_ca", id="platform authority"),
        pytest.param("tcb_signing", "intel_sgx_tcb_signing_2025", id="collateral signer"),
    ],
)
def test_pki__each_authority__has_the_shape_of_intels(
    pki: SimulatedPki, actual: str, theirs: str
) -> None:
    mine, real = getattr(pki, actual).certificate, intels(theirs)
    assert shape(mine.public_bytes(Encoding.DER)) == shape(real.public_bytes(Encoding.DER))
    assert extensions(mine) == extensions(real)
    for kind in (x509.BasicConstraints, x509.KeyUsage):
        ours_says = mine.extensions.get_extension_for_class(kind).value
        assert ours_says == real.extensions.get_extension_for_class(kind).value


def test_pck_leaf__beside_a_recorded_one__has_its_shape(enclave: SimulatedEnclave) -> None:
    real = Quote.parse(
        (VECTORS / "quotes" / "tdx_v4_b0c06f_near_mpc.bin").read_bytes()
    ).pck_chain_der()[0]
    mine = Quote.parse(enclave.get_quote(bytes(64))).pck_chain_der()[0]
    assert shape(mine) == shape(real)
    sgx = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
    contents = []
    for der in (mine, real):
        certificate = x509.load_der_x509_certificate(der)
        contents.append(certificate.extensions.get_extension_for_oid(sgx).value)
    actual, theirs = (content.public_bytes() for content in contents)
    assert shape(actual) == shape(theirs)
    assert len(actual) == len(theirs)


def test_pki__names__say_simulated(pki: SimulatedPki) -> None:
    for authority in (pki.root, pki.platform_ca, pki.tcb_signing):
        assert "SIMULATED" in authority.certificate.subject.rfc4514_string()


def test_open__twice__gives_the_same_root(tmp_path: Path) -> None:
    first = SimulatedPki.open(tmp_path / "pki")
    assert SimulatedPki.open(tmp_path / "pki").root.der == first.root.der
    assert (tmp_path / "pki" / "root.der").read_bytes() == first.root.der
    assert (tmp_path / "pki" / "root.pem").read_text() == first.root.pem


def test_open__its_seed__is_closed_to_others(tmp_path: Path) -> None:
    SimulatedPki.open(tmp_path / "pki")
    assert (tmp_path / "pki" / "seed").stat().st_mode & 0o777 == 0o600


def test_open__another_folder__gives_another_root(tmp_path: Path) -> None:
    assert SimulatedPki.open(tmp_path / "a").root.der != SimulatedPki.open(tmp_path / "b").root.der


def test_open__foreign_root__is_rejected(tmp_path: Path, pki: SimulatedPki) -> None:
    SimulatedPki.open(tmp_path)
    (tmp_path / "root.der").write_bytes(pki.root.der)
    with pytest.raises(PkiDamaged, match=r"root\.der does not belong to the seed"):
        SimulatedPki.open(tmp_path)


def test_open__seed_missing__is_rejected(tmp_path: Path) -> None:
    SimulatedPki.open(tmp_path)
    (tmp_path / "seed").unlink()
    with pytest.raises(PkiDamaged, match="the seed is missing"):
        SimulatedPki.open(tmp_path)


def test_open__where_a_file_lies__is_rejected(tmp_path: Path) -> None:
    (tmp_path / "pki").write_text("not a folder")
    with pytest.raises(DirectoryUnusable):
        SimulatedPki.open(tmp_path / "pki")


def test_repr__pki_and_enclave__show_no_key(pki: SimulatedPki, enclave: SimulatedEnclave) -> None:
    shown = repr(pki) + repr(enclave) + repr(enclave.machine) + repr(enclave.app_keys)
    assert enclave.kms_key.hex() not in shown
    assert enclave.app_keys.root.hex() not in shown
    assert "EllipticCurvePrivateKey" not in shown
