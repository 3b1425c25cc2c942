# SPDX-License-Identifier: Apache-2.0
"""The parts of a quote, as records for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from teetee.cli.output.printer import Printer
from teetee.quotes.attributes import SGX_ATTRIBUTES, TD_ATTRIBUTES, XFAM, flag_names
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.mr_config import describe_mr_config
from teetee.quotes.quote import TdReport
from teetee.quotes.quote_description import QuoteDescription, SgxReport

BODY_NAMES = {1: "SGX", 2: "TD 1.0", 3: "TD 1.5", 4: "TD 1.5 extended"}
INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

Section = dict[str, Any]


def quote_json(description: QuoteDescription) -> dict[str, Section | None]:
    """Bytes as hex without 0x, as Intel prints them; bits by name."""
    td, sgx = description.td_report, description.sgx_report
    return {
        "header": _header(description),
        "tdReport": _td_report(td, is_15=description.body_type > 2) if td else None,
        "enclaveReport": _sgx_report(sgx) if sgx else None,
        "quotingEnclave": _sgx_report(description.qe_report)
        | {"authenticationData": description.qe_auth_data.hex()},
        "certificates": _certificates(description),
        "platform": _platform(description.platform) if description.platform else None,
        "size": {
            "bytes": description.bytes_used,
            "bytesBehind": description.trailing_bytes,
            "behindIsZero": description.trailing_is_zero,
        },
    }


def print_quote(printer: Printer, value: dict[str, Section | None]) -> None:
    """One record per part."""
    titles = {
        "header": "Header",
        "tdReport": "TD report",
        "enclaveReport": "Enclave report",
        "quotingEnclave": "Quoting enclave",
        "certificates": "Certificates",
        "platform": "Platform, by its PCK certificate",
        "size": "Size",
    }
    for name, title in titles.items():
        section = value[name]
        if section is not None:
            printer.record(list(_rows(section)), title=title)
            printer.line("")


def _rows(section: Section) -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield name, f"{value['value']}  {', '.join(value['bits'])}".rstrip()
        else:
            yield name, _describe(value)


def _describe(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "none"
    return "none" if value is None else str(value)


def _header(description: QuoteDescription) -> Section:
    return {
        "version": description.version,
        "tee": description.tee,
        "body": BODY_NAMES[description.body_type],
        "keyType": description.key_type,
        "qeVendor": description.qe_vendor.hex(),
        "qeVendorIsIntel": description.qe_vendor == INTEL_QE_VENDOR,
        "userData": description.user_data.hex(),
    }


def _td_report(report: TdReport, *, is_15: bool) -> Section:
    rtmrs = {f"rtmr{index}": rtmr.hex() for index, rtmr in enumerate(report.rtmrs)}
    value: Section = {
        "teeTcbSvn": report.tee_tcb_svn.hex(),
        "tdxModuleVersion": f"{report.tee_tcb_svn[1]}.{report.tee_tcb_svn[0]}",
        "mrSeam": report.mr_seam.hex(),
        "mrSignerSeam": report.mr_signer_seam.hex(),
        "seamAttributes": _bits(report.seam_attributes, {}),
        "tdAttributes": _bits(report.td_attributes, TD_ATTRIBUTES),
        "xfam": _bits(report.xfam, XFAM),
        "mrTd": report.mr_td.hex(),
        "mrConfigId": report.mr_config_id.hex(),
        "mrConfigIdKind": describe_mr_config(report.mr_config_id),
        "mrOwner": report.mr_owner.hex(),
        "mrOwnerConfig": report.mr_owner_config.hex(),
        **rtmrs,
        "reportData": report.report_data.hex(),
        "measurement": report.measurement.hex(),
    }
    if is_15:
        value["teeTcbSvn2"] = report.tee_tcb_svn_2.hex()
        value["mrServiceTd"] = report.mr_service_td.hex()
    return value


def _sgx_report(report: SgxReport) -> Section:
    return {
        "mrEnclave": report.mr_enclave.hex(),
        "mrSigner": report.mr_signer.hex(),
        "product": report.product,
        "svn": report.svn,
        "cpuSvn": report.cpu_svn.hex(),
        "miscSelect": report.misc_select.hex(),
        "attributes": _bits(report.attributes[:8], SGX_ATTRIBUTES),
        "xfrm": _bits(report.attributes[8:], XFAM),
        "reportData": report.report_data.hex(),
    }


def _certificates(description: QuoteDescription) -> Section:
    return {
        "certificationType": description.certification_type,
        "count": len(description.chain),
        "problem": description.chain_problem or None,
        "pckId": certificate_id(description.chain[0]).hex() if description.platform else None,
    }


def _platform(platform: PckPlatform) -> Section:
    instance = platform.platform_instance
    return {
        "fmspc": platform.fmspc.hex().upper(),
        "pceId": platform.pce_id.hex(),
        "pceSvn": platform.pce_svn,
        "cpuSvn": platform.cpu_svn.hex(),
        "componentSvns": list(platform.component_svns),
        "ppid": platform.ppid.hex(),
        "platformInstance": instance.hex() if instance else None,
        "sgxType": platform.sgx_type,
        "flags": list(platform.flags),
        "subject": platform.subject,
        "issuer": platform.issuer,
        "serial": f"{platform.serial:x}",
        "notBefore": platform.not_before.isoformat(),
        "notAfter": platform.not_after.isoformat(),
    }


def _bits(value: bytes, names: dict[int, str]) -> dict[str, Any]:
    return {"value": value.hex(), "bits": list(flag_names(value, names))}
