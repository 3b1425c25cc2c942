# SPDX-License-Identifier: Apache-2.0
"""Issues collateral for simulated machines: TCB info, QE identity, CRLs and certificate chains."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tee_simulator.collateral.conditions import STANDARD_NUMBER, Conditions
from tee_simulator.guest.machine import COMPONENT_SVNS, FMSPC, PCE_SVN
from tee_simulator.guest.td_report import (
    TD_QE_MRSIGNER,
    TD_QE_PRODUCT,
    TD_QE_SVN,
    TEE_TCB_SVN,
)
from tee_simulator.pki import certificates
from tee_simulator.pki.signatures import sign_p256
from tee_simulator.pki.simulated_pki import SimulatedPki

LIFE = timedelta(days=30)
"""Intel's collateral lives 30 days, its root CRL about a year."""
ROOT_CRL_LIFE = timedelta(days=365)

AGE = timedelta(days=1)
"""Collateral is issued this long before `at`, so that clocks may differ."""

SECOND = timedelta(seconds=1)
"""The resolution of dates, and so the minimum age difference."""

EVALUATION_NUMBER = STANDARD_NUMBER
HEALTHY = Conditions()


@dataclass(frozen=True)
class SimulatedCollateral:
    """Everything a verifier needs besides the quote. JSON is the exact text that was signed."""

    tcb_info: str
    tcb_info_signature: bytes
    qe_identity: str
    qe_identity_signature: bytes
    tcb_signing_chain: str
    pck_crl: bytes
    pck_crl_issuer_chain: str
    root_ca_crl: bytes
    issued_at: datetime
    next_update: datetime
    fresh_until: datetime
    """When half of the remaining validity is over: time to issue new collateral."""

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
    pki: SimulatedPki,
    at: datetime,
    conditions: Conditions = HEALTHY,
    *,
    early: bool = False,
    later_than: datetime | None = None,
) -> SimulatedCollateral:
    """Issues collateral that is valid from a day before `at` to 29 days after it.

    The conditions can shorten or end its validity.

    later_than: the issue date of earlier collateral, which the new one must exceed.
    """
    now = at.replace(microsecond=0)
    start, end, root_end = _validity(now, conditions, later_than)
    tcb_info = _signed_json(_tcb_info(start, end, conditions, early))
    qe_identity = _signed_json(_qe_identity(start, end, conditions, early))
    key = pki.tcb_signing.key
    revoked = [int(serial, 16) for serial in conditions.revoked_pcks]
    return SimulatedCollateral(
        tcb_info=tcb_info,
        tcb_info_signature=sign_p256(key, tcb_info.encode()),
        qe_identity=qe_identity,
        qe_identity_signature=sign_p256(key, qe_identity.encode()),
        tcb_signing_chain=pki.tcb_signing.pem + pki.root.pem,
        pck_crl=certificates.revocation_list(pki.platform_ca, (start, end), revoked),
        pck_crl_issuer_chain=pki.platform_ca.pem + pki.root.pem,
        root_ca_crl=certificates.revocation_list(
            pki.root, (start, root_end), _revoked_authorities(pki, conditions)
        ),
        issued_at=start,
        next_update=end,
        fresh_until=now + (end - now) / 2,
    )


def _validity(
    now: datetime, conditions: Conditions, later_than: datetime | None
) -> tuple[datetime, datetime, datetime]:
    """The issue date, the end of the collateral, and the end of the root CRL."""
    start = now - AGE
    if later_than is not None:
        start = max(start, later_than + SECOND)
    if conditions.expired:
        start -= LIFE
    end = start + LIFE
    if conditions.life_seconds is not None:
        end = now + timedelta(seconds=conditions.life_seconds)
    is_brief = conditions.expired or conditions.life_seconds is not None
    return start, end, end if is_brief else start + ROOT_CRL_LIFE


def _revoked_authorities(pki: SimulatedPki, conditions: Conditions) -> list[int]:
    revoked = {
        pki.platform_ca: conditions.platform_ca_revoked,
        pki.tcb_signing: conditions.tcb_signing_revoked,
    }
    return [each.certificate.serial_number for each, is_revoked in revoked.items() if is_revoked]


def _tcb_info(
    start: datetime, end: datetime, conditions: Conditions, early: bool
) -> dict[str, Any]:
    """TDX TCB info version 3 with the level of simulated machines, and, if that is not up to date,
    a level above it that requires one version more.
    """
    module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    status, module_status = conditions.status(early), conditions.module_status
    levels = [_level(_tcb(0), start, status)]
    if status != "UpToDate":
        levels.insert(0, _level(_tcb(1), start, "UpToDate"))
    svn = TEE_TCB_SVN[0]
    module_levels = [_level({"isvsvn": svn}, start, module_status)]
    if module_status != "UpToDate":
        module_levels.insert(0, _level({"isvsvn": svn + 1}, start, "UpToDate"))
    return {
        "id": "TDX",
        "version": 3,
        "issueDate": _iso(start),
        "nextUpdate": _iso(end),
        "fmspc": FMSPC.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": conditions.number(early),
        "tdxModule": module,
        "tdxModuleIdentities": [
            {"id": f"TDX_{TEE_TCB_SVN[1]:02X}", **module, "tcbLevels": module_levels}
        ],
        "tcbLevels": levels,
    }


def _tcb(increment: int) -> dict[str, Any]:
    """A level's requirement: the machines' versions, plus `increment` for the first component."""
    components = bytes([COMPONENT_SVNS[0] + increment]) + COMPONENT_SVNS[1:]
    return {
        "sgxtcbcomponents": [{"svn": svn} for svn in components],
        "pcesvn": PCE_SVN,
        # the module's own two are covered by its identity
        "tdxtcbcomponents": [{"svn": svn} for svn in bytes(2) + TEE_TCB_SVN[2:]],
    }


def _qe_identity(
    start: datetime, end: datetime, conditions: Conditions, early: bool
) -> dict[str, Any]:
    """The TD quoting enclave, identity version 2."""
    levels = [_level({"isvsvn": TD_QE_SVN}, start, conditions.qe_status)]
    if conditions.qe_status != "UpToDate":
        levels.insert(0, _level({"isvsvn": TD_QE_SVN + 1}, start, "UpToDate"))
    return {
        "id": "TD_QE",
        "version": 2,
        "issueDate": _iso(start),
        "nextUpdate": _iso(end),
        "tcbEvaluationDataNumber": conditions.number(early),
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": TD_QE_MRSIGNER.hex().upper(),
        "isvprodid": TD_QE_PRODUCT,
        "tcbLevels": levels,
    }


def _level(tcb: dict[str, Any], since: datetime, status: str) -> dict[str, Any]:
    date = since.replace(hour=0, minute=0, second=0)
    level = {"tcb": tcb, "tcbDate": _iso(date), "tcbStatus": status}
    return level if status == "UpToDate" else level | {"advisoryIDs": ["SIMULATED-SA-00001"]}


def _signed_json(content: dict[str, Any]) -> str:
    """The bytes that are signed: keys in order, no spaces, as Intel publishes."""
    return json.dumps(content, separators=(",", ":"))


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
