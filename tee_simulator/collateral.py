"""What Intel's PCS publishes, for the simulated machines: TCB info, QE identity, CRLs, and the
chains that sign them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tee_simulator import certificates
from tee_simulator.machine import COMPONENT_SVNS, FMSPC, PCE_SVN
from tee_simulator.pki import TestPki
from tee_simulator.signatures import sign_p256
from tee_simulator.td_report import (
    TD_QE_MRSIGNER,
    TD_QE_PRODUCT,
    TD_QE_SVN,
    TEE_TCB_SVN,
)

LIFE = timedelta(days=30)
"""Intel's collateral lives 30 days, its root CRL about a year."""
ROOT_CRL_LIFE = timedelta(days=365)

AGE = timedelta(days=1)
"""Issued a day before `at`, so that clocks may differ."""

EVALUATION_NUMBER = 20


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
    next_update: datetime

    @property
    def tcb_info_response(self) -> str:
        """The body of `/tdx/certification/v4/tcb`."""
        return f'{{"tcbInfo":{self.tcb_info},"signature":"{self.tcb_info_signature.hex()}"}}'

    @property
    def qe_identity_response(self) -> str:
        """The body of `/tdx/certification/v4/qe/identity`."""
        signature = self.qe_identity_signature.hex()
        return f'{{"enclaveIdentity":{self.qe_identity},"signature":"{signature}"}}'


def issue(pki: TestPki, at: datetime) -> SimulatedCollateral:
    """Collateral valid from a day before `at` to 29 days after it."""
    start = at.replace(microsecond=0) - AGE
    end = start + LIFE
    tcb_info = _compact(_tcb_info(start, end))
    qe_identity = _compact(_qe_identity(start, end))
    key = pki.tcb_signing.key
    return SimulatedCollateral(
        tcb_info=tcb_info,
        tcb_info_signature=sign_p256(key, tcb_info.encode()),
        qe_identity=qe_identity,
        qe_identity_signature=sign_p256(key, qe_identity.encode()),
        tcb_signing_chain=pki.tcb_signing.pem + pki.root.pem,
        pck_crl=certificates.revocation_list(pki.platform_ca, (start, end)),
        pck_crl_issuer_chain=pki.platform_ca.pem + pki.root.pem,
        root_ca_crl=certificates.revocation_list(pki.root, (start, start + ROOT_CRL_LIFE)),
        next_update=end,
    )


def _tcb_info(start: datetime, end: datetime) -> dict[str, Any]:
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
        "tcbEvaluationDataNumber": EVALUATION_NUMBER,
        "tdxModule": module,
        "tdxModuleIdentities": [
            {
                "id": f"TDX_{TEE_TCB_SVN[1]:02X}",
                **module,
                "tcbLevels": [_level({"isvsvn": TEE_TCB_SVN[0]}, start)],
            }
        ],
        "tcbLevels": [_level(tcb, start)],
    }


def _qe_identity(start: datetime, end: datetime) -> dict[str, Any]:
    """The TD quoting enclave, identity version 2."""
    return {
        "id": "TD_QE",
        "version": 2,
        "issueDate": _iso(start),
        "nextUpdate": _iso(end),
        "tcbEvaluationDataNumber": EVALUATION_NUMBER,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": TD_QE_MRSIGNER.hex().upper(),
        "isvprodid": TD_QE_PRODUCT,
        "tcbLevels": [_level({"isvsvn": TD_QE_SVN}, start)],
    }


def _level(tcb: dict[str, Any], since: datetime) -> dict[str, Any]:
    date = since.replace(hour=0, minute=0, second=0)
    return {"tcb": tcb, "tcbDate": _iso(date), "tcbStatus": "UpToDate"}


def _compact(content: dict[str, Any]) -> str:
    """The signature is over these bytes: keys in order, no spaces, as Intel publishes."""
    return json.dumps(content, separators=(",", ":"))


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
