"""What Intel's PCS publishes, for the simulated machines: TCB info, QE identity, CRLs, and the
chains that sign them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tee_simulator import certificates
from tee_simulator.knobs import LIFE, ROOT_CRL_LIFE, Knobs
from tee_simulator.machine import COMPONENT_SVNS, FMSPC, PCE_SVN
from tee_simulator.pki import TestPki
from tee_simulator.signatures import sign_p256
from tee_simulator.td_report import (
    TD_QE_MRSIGNER,
    TD_QE_PRODUCT,
    TD_QE_SVN,
    TEE_TCB_SVN,
)

AGE = timedelta(days=1)
"""Issued a day before `at`, so that clocks may differ."""

SECOND = timedelta(seconds=1)
"""Dates have no smaller parts; so much later is newer."""

BEGINNING = Knobs()


@dataclass(frozen=True)
class SimulatedCollateral:
    """Everything a verifier needs beside the quote. JSON is text exactly as signed."""

    tcb_info: str
    tcb_info_signature: bytes
    qe_identity: str
    qe_identity_signature: bytes
    tcb_signing_chain: str
    pck_crl: bytes
    pck_crl_issuer_chain: str
    root_ca_crl: bytes
    made_at: datetime
    issued_at: datetime
    next_update: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is in force, and in the first half of what was left when it was made."""
        return self.issued_at <= now <= self.made_at + (self.next_update - self.made_at) / 2

    @property
    def tcb_info_response(self) -> str:
        """The body of `/tdx/certification/v4/tcb`."""
        return f'{{"tcbInfo":{self.tcb_info},"signature":"{self.tcb_info_signature.hex()}"}}'

    @property
    def qe_identity_response(self) -> str:
        """The body of `/tdx/certification/v4/qe/identity`."""
        signature = self.qe_identity_signature.hex()
        return f'{{"enclaveIdentity":{self.qe_identity},"signature":"{signature}"}}'


def issue(
    pki: TestPki,
    at: datetime,
    knobs: Knobs = BEGINNING,
    *,
    later_than: datetime | None = None,
) -> SimulatedCollateral:
    """Collateral valid from a day before `at` to 29 days after it, or to the end of the knobs'
    life; its issue is later than that of what was issued before."""
    made_at = at.replace(microsecond=0)
    start = made_at - AGE
    if later_than is not None:
        start = max(start, later_than + SECOND)
    end = start + LIFE if knobs.life is None else made_at + knobs.life
    root_end = start + ROOT_CRL_LIFE if knobs.life is None else end
    tcb_info = _compact(_tcb_info(start, end, knobs))
    qe_identity = _compact(_qe_identity(start, end, knobs))
    authority = pki.platform_ca.certificate.serial_number
    revoked_authorities = [authority] if knobs.is_authority_revoked else []
    key = pki.tcb_signing.key
    return SimulatedCollateral(
        tcb_info=tcb_info,
        tcb_info_signature=sign_p256(key, tcb_info.encode()),
        qe_identity=qe_identity,
        qe_identity_signature=sign_p256(key, qe_identity.encode()),
        tcb_signing_chain=pki.tcb_signing.pem + pki.root.pem,
        pck_crl=certificates.revocation_list(pki.platform_ca, (start, end), knobs.revoked_serials),
        pck_crl_issuer_chain=pki.platform_ca.pem + pki.root.pem,
        root_ca_crl=certificates.revocation_list(pki.root, (start, root_end), revoked_authorities),
        made_at=made_at,
        issued_at=start,
        next_update=end,
    )


def _tcb_info(start: datetime, end: datetime, knobs: Knobs) -> dict[str, Any]:
    """TDX TCB info version 3 with one level, the one that simulated machines are at."""
    module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    tcb = {
        "sgxtcbcomponents": [{"svn": svn} for svn in COMPONENT_SVNS],
        "pcesvn": PCE_SVN,
        # the module's own two are judged by its identity below
        "tdxtcbcomponents": [{"svn": svn} for svn in bytes(2) + TEE_TCB_SVN[2:]],
    }
    return {
        "id": "TDX",
        "version": 3,
        "issueDate": _iso(start),
        "nextUpdate": _iso(end),
        "fmspc": FMSPC.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": knobs.evaluation_number,
        "tdxModule": module,
        "tdxModuleIdentities": [
            {
                "id": f"TDX_{TEE_TCB_SVN[1]:02X}",
                **module,
                "tcbLevels": [_level({"isvsvn": TEE_TCB_SVN[0]}, start)],
            }
        ],
        "tcbLevels": [_level(tcb, start, knobs)],
    }


def _qe_identity(start: datetime, end: datetime, knobs: Knobs) -> dict[str, Any]:
    """The TD quoting enclave, identity version 2."""
    return {
        "id": "TD_QE",
        "version": 2,
        "issueDate": _iso(start),
        "nextUpdate": _iso(end),
        "tcbEvaluationDataNumber": knobs.evaluation_number,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": TD_QE_MRSIGNER.hex().upper(),
        "isvprodid": TD_QE_PRODUCT,
        "tcbLevels": [_level({"isvsvn": TD_QE_SVN}, start)],
    }


def _level(tcb: dict[str, Any], since: datetime, knobs: Knobs = BEGINNING) -> dict[str, Any]:
    date = since.replace(hour=0, minute=0, second=0)
    level = {"tcb": tcb, "tcbDate": _iso(date), "tcbStatus": knobs.tcb_status}
    return {**level, "advisoryIDs": list(knobs.advisory_ids)} if knobs.advisory_ids else level


def _compact(content: dict[str, Any]) -> str:
    """The signature is over these bytes: keys in order, no spaces, as Intel publishes."""
    return json.dumps(content, separators=(",", ":"))


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
