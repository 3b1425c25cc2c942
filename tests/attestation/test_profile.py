# SPDX-License-Identifier: Apache-2.0
"""Single changes that only signers can make: contracts and dcap-qvl on evidence that the test PKI
signed again.

given certificates, CRLs, collateral or reports that are unusual
    when both verifiers have reason to accept them
        both should accept, with the same status
    when both have reason to refuse them
        both should refuse
    when we are stricter (docs/attestation.md says why)
        dcap-qvl alone should accept
"""

import pytest

from tests.attestation import variants as v
from tests.attestation.evidence import Evidence
from tests.attestation.simulated import AT
from tests.attestation.verifiers import ChainVerifier, dcap_qvl_verdict

CLIENT, SERVER = "300a06082b06010505070302", "300a06082b06010505070301"
CERTIFICATES = ("leaf", "authority", "signer")


def extensions(oid: str, value: str) -> dict[str, Evidence]:
    """Added to each kind of certificate."""
    added = v.extension(oid, bytes.fromhex(value))
    return {f"{part}, {oid} {value}": v.with_extension(part, added) for part in CERTIFICATES}


def attribute(bit: int) -> Evidence:
    """SEPT_VE_DISABLE and another bit of the TD's attributes."""
    return v.with_report(120, (1 << 28 | 1 << bit).to_bytes(8, "little"))


ACCEPTED = {
    "authority that may sign certificates, CRLs and more": v.with_key_usage("authority", 0x86, 1),
    "path length 0": v.with_path_length(0),
    "path length 255": v.with_path_length(255),
    "CRL number 0": v.with_crl_number(0),
    "CRL number of 159 bits": v.with_crl_number(2**159 - 1),
    "another certificate revoked": v.with_revoked("pck_crl", 77, 1),
    "the leaf's serial on the root's CRL": v.with_revoked("root_crl", v.serial_of("leaf")),
    "the signer's serial on the PCK CRL": v.with_revoked("pck_crl", v.serial_of("signer")),
    "FMSPC in lower case": v.with_json("tcb_info", "fmspc", v.fmspc().lower()),
    "FMSPC in upper case": v.with_json("tcb_info", "fmspc", v.fmspc().upper()),
    "evaluation number 255": v.with_json("tcb_info", "tcbEvaluationDataNumber", 255),
    "QE identity of version 3": v.with_json("qe_identity", "version", 3),
    "no advisories": v.with_json("tcb_info", "tcbLevels", 0, "advisoryIDs", []),
    "TCB info issued this second": v.with_json("tcb_info", "issueDate", v.iso(AT)),
    "TCB info until this second": v.with_json("tcb_info", "nextUpdate", v.iso(AT)),
    "QE identity issued this second": v.with_json("qe_identity", "issueDate", v.iso(AT)),
    "QE identity until this second": v.with_json("qe_identity", "nextUpdate", v.iso(AT)),
    "TD report 1.5 extended": v.extended(),
    "extended, with devices": v.extended(33, b"\x01" * 48),
    "QE's MRENCLAVE": v.with_qe_report(64, b"\x01" * 32),
    **{f"TD attribute {bit}": attribute(bit) for bit in (16, 27, 28, 30, 31, 63)},
}

REFUSED = {
    "authority that may not sign CRLs": v.with_key_usage("authority", 0x04, 2),
    "path length 256": v.with_path_length(256),
    "CRL number of 161 bits": v.with_crl_number(2**160),
    "CRL number of 256 bits": v.with_crl_number(2**256 - 1),
    "CPUSVN below the components": v.with_cpu_svn(b"\x00"),
    "name whose OID continues": v.with_replaced("leaf", "06035504030c", "06035504830c"),
    "leaf revoked": v.with_revoked("pck_crl", v.serial_of("leaf")),
    "authority revoked": v.with_revoked("root_crl", v.serial_of("authority")),
    "signer revoked": v.with_revoked("root_crl", v.serial_of("signer")),
    "root revoked": v.with_revoked("root_crl", v.serial_of("root")),
    "FMSPC of another platform": v.with_json("tcb_info", "fmspc", "AABBCCDDEEFF"),
    "FMSPC of zero": v.with_json("tcb_info", "fmspc", "000000000000"),
    "TCB info of version 2": v.with_json("tcb_info", "version", 2),
    "QE identity of version 1": v.with_json("qe_identity", "version", 1),
    "QE identity of version 4": v.with_json("qe_identity", "version", 4),
    "TCB info of the next second": v.with_json("tcb_info", "issueDate", v.iso(AT + 1)),
    "TCB info of the last second": v.with_json("tcb_info", "nextUpdate", v.iso(AT - 1)),
    "QE identity of the next second": v.with_json("qe_identity", "issueDate", v.iso(AT + 1)),
    "QE identity of the last second": v.with_json("qe_identity", "nextUpdate", v.iso(AT - 1)),
    "QE in debug mode": v.with_qe_report(48, b"\x13"),
    "another QE's product": v.with_qe_report(256, b"\x01"),
    **extensions(v.EXTENDED_KEY_USAGE, CLIENT),
    **extensions(v.EXTENDED_KEY_USAGE, "01"),
    **extensions(v.NAME_CONSTRAINTS, "01"),
    **{f"TD attribute {bit}": attribute(bit) for bit in (0, 4, 7, 8, 17, 23, 26, 29, 32, 61)},
}

STRICTER = {
    "CPUSVN above the components": v.with_cpu_svn(b"\x7f"),
    "leaf as the Processor CA writes it": v.as_of_processor_ca(),
    "TCB info of another PCE": v.with_json("tcb_info", "pceId", "0001"),
    "TCB info of type 1": v.with_json("tcb_info", "tcbType", 1),
    "TCB info of version 4": v.with_json("tcb_info", "version", 4),
    "evaluation number 256": v.with_json("tcb_info", "tcbEvaluationDataNumber", 256),
    "fraction of a second": v.with_json("tcb_info", "issueDate", v.iso(AT)[:-1] + ".000Z"),
    "QE that needs configuration": v.with_json(
        "qe_identity", "tcbLevels", 0, "tcbStatus", "ConfigurationNeeded"
    ),
    "QE report data with a tail": v.with_qe_report(352, b"\x01" * 32),
    "MROWNER": v.with_report(232, b"\x01" * 48),
    "service TD's hash in an extended report": v.extended(181, b"\x01" * 48),
    "service TD's attributes at creation": v.extended(136, b"\x01"),
    "reason 8": v.with_revoked("pck_crl", 77, 8),
    **extensions(v.EXTENDED_KEY_USAGE, SERVER),
    **extensions("06082b06010505070101", "3000"),
    **{f"TD attribute {bit}": attribute(bit) for bit in (18, 22, 62)},
}


@pytest.fixture(scope="module")
def verifier(chain_url: str) -> ChainVerifier:
    return ChainVerifier(chain_url, v.WORLD.root)


@pytest.mark.parametrize("name", ACCEPTED)
def test_verdict__unusual_and_in_order__accepted_by_both(
    verifier: ChainVerifier, name: str
) -> None:
    verdict = verifier.verdict(ACCEPTED[name], AT)
    independent = dcap_qvl_verdict(ACCEPTED[name], v.WORLD.root, AT)
    assert independent.ok, independent.error
    assert (verdict.ok, verdict.status) == (True, independent.status), verdict.error


@pytest.mark.parametrize("name", REFUSED)
def test_verdict__out_of_order__refused_by_both(verifier: ChainVerifier, name: str) -> None:
    assert not dcap_qvl_verdict(REFUSED[name], v.WORLD.root, AT).ok
    assert not verifier.verdict(REFUSED[name], AT).ok


@pytest.mark.parametrize("name", STRICTER)
def test_verdict__where_we_are_stricter__refused_on_chain(
    verifier: ChainVerifier, name: str
) -> None:
    independent = dcap_qvl_verdict(STRICTER[name], v.WORLD.root, AT)
    assert independent.ok, independent.error
    assert not verifier.verdict(STRICTER[name], AT).ok
