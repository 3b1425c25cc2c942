// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuoteClaims, TcbStatus} from "../../types/VerifiedQuote.sol";

/// @title TcbEvaluation
/// @notice Evaluates a platform by Intel's TCB info and QE identity, as {CollateralReader} packs them.
/// @dev TCB info: offset of the levels 2 ‖ base module is Intel's 1 ‖ number of modules 2 ‖ modules (version 1 ‖ is
/// Intel's 1 ‖ number of levels 2 ‖ levels (ISVSVN 1 ‖ status 1)) ‖ number of levels 2 ‖ levels (SGX components 16 ‖
/// TDX components 16 ‖ PCESVN 2 ‖ status 1 ‖ date 5). QE identity: MISCSELECT 4 ‖ its mask 4 ‖ ATTRIBUTES 16 ‖ their
/// mask 16 ‖ MRSIGNER 32 ‖ ISVPRODID 2 ‖ number of levels 2 ‖ levels (ISVSVN 2 ‖ status 1). Source: Intel's quote
/// verification library, TcbLevelCheck, TdxModuleCheck, TDRelaunchCheck and EnclaveReportVerifier.
library TcbEvaluation {
    /// @dev The status of each part; see {mergeStatus}.
    struct Findings {
        TcbStatus platform;
        TcbStatus module;
        TcbStatus quotingEnclave;
        // of the platform's level
        uint40 date;
    }

    uint256 private constant LEVEL = 40;
    uint256 private constant MODULES = 5;
    uint256 private constant ENCLAVE_LEVELS = 76;

    // every second octet, and the bit above it
    uint256 private constant LANES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant GUARDS = 0x0100010001000100010001000100010001000100010001000100010001000100;
    // the first two of the TDX components, which follow 16 of SGX; all of them
    uint256 private constant MODULE_COMPONENTS = 0xffff << 112;
    uint256 private constant TDX_COMPONENTS = type(uint128).max;

    /* TCB INFO */

    /// @notice Evaluates platform and module as they were when the TD was started.
    function evaluatePlatform(Findings memory findings, bytes memory tcbInfo, QuoteClaims memory claims)
        internal
        pure
    {
        uint256 svns = uint256(claims.svns);
        (findings.platform, findings.date) = _platformLevel(tcbInfo, svns, (uint256(claims.pck) >> 16) & 0xffff);
        findings.module = _moduleStatus(tcbInfo, svns << 128);
    }

    /// @dev The status and date of the first level that all components and the PCESVN reach.
    function _platformLevel(bytes memory tcbInfo, uint256 svns, uint256 pceSvn)
        private
        pure
        returns (TcbStatus status, uint40 date)
    {
        // offsets are below 2^16
        unchecked {
            // the first two TDX components are the module's, which its own identity covers if it has a version
            if ((svns >> 112) & 0xff != 0) svns |= MODULE_COMPONENTS;
            uint256 counter = _word(tcbInfo, 0) >> 240;
            uint256 offset = counter + 2;
            uint256 end = offset + LEVEL * (_word(tcbInfo, counter) >> 240);
            for (; offset < end; offset += LEVEL) {
                uint256 tail = _word(tcbInfo, offset + 32);
                if (tail >> 240 <= pceSvn && _isAtLeast(svns, _word(tcbInfo, offset))) {
                    return (TcbStatus(uint8(tail >> 232)), uint40(tail >> 192));
                }
            }
            return (TcbStatus.NOT_SUPPORTED, 0);
        }
    }

    /// @dev The status of the module of this TEE_TCB_SVN (in the upper 16 bytes).
    function _moduleStatus(bytes memory tcbInfo, uint256 teeTcbSvn) private pure returns (TcbStatus) {
        // offsets are below 2^16
        unchecked {
            uint256 version = (teeTcbSvn >> 240) & 0xff;
            if (version == 0) {
                return _word(tcbInfo, 2) >> 248 != 0 ? TcbStatus.UP_TO_DATE : TcbStatus.NOT_SUPPORTED;
            }
            uint256 offset = MODULES;
            for (uint256 remaining = _word(tcbInfo, 3) >> 240; remaining != 0; --remaining) {
                uint256 header = _word(tcbInfo, offset);
                uint256 end = offset + 4 + 2 * ((header >> 224) & 0xffff);
                if (header >> 248 == version) {
                    // QuoteRules accepts no module of another signer
                    if ((header >> 240) & 0xff == 0) break;
                    return _firstLevelReached({
                        packed: tcbInfo, offset: offset + 4, end: end, step: 2, svn: teeTcbSvn >> 248
                    });
                }
                offset = end;
            }
            return TcbStatus.NOT_SUPPORTED;
        }
    }

    /// @dev Whether each of 32 octets of `has` is at least that of `needs`. In lanes of 16 bits, the guard bit survives
    /// the subtraction exactly if so.
    function _isAtLeast(uint256 has, uint256 needs) private pure returns (bool) {
        unchecked {
            uint256 even = ((has & LANES) | GUARDS) - (needs & LANES);
            uint256 odd = (((has >> 8) & LANES) | GUARDS) - ((needs >> 8) & LANES);
            return even & odd & GUARDS == GUARDS;
        }
    }

    /* QUOTING ENCLAVE */

    /// @notice The status of the level that the enclave of the claims reaches; NOT_SUPPORTED if the identity describes
    /// another enclave.
    function evaluateQuotingEnclave(bytes memory identity, QuoteClaims memory claims)
        internal
        pure
        returns (TcbStatus)
    {
        uint256 qe = uint256(claims.qeAndEnd);
        uint256 misc = _word(identity, 0);
        uint256 attributes = _word(identity, 8);
        bool isMatch = ((qe >> 128) ^ (attributes >> 128)) & attributes & type(uint128).max == 0
            && ((qe >> 96) ^ (misc >> 224)) & (misc >> 192) & type(uint32).max == 0
            && uint256(claims.qeSigner) == _word(identity, 40) && (qe >> 80) & 0xffff == _word(identity, 72) >> 240;
        if (!isMatch) return TcbStatus.NOT_SUPPORTED;
        uint256 end = ENCLAVE_LEVELS + 3 * (_word(identity, ENCLAVE_LEVELS - 2) >> 240);
        return
            _firstLevelReached({packed: identity, offset: ENCLAVE_LEVELS, end: end, step: 3, svn: (qe >> 64) & 0xffff});
    }

    /// @dev The status of the first level whose ISVSVN (`step` - 1 bytes) is at most `svn`.
    function _firstLevelReached(bytes memory packed, uint256 offset, uint256 end, uint256 step, uint256 svn)
        private
        pure
        returns (TcbStatus)
    {
        unchecked {
            for (; offset < end; offset += step) {
                uint256 level = _word(packed, offset) >> (256 - 8 * step);
                if (svn >= level >> 8) return TcbStatus(uint8(level));
            }
        }
        return TcbStatus.NOT_SUPPORTED;
    }

    /* MERGING */

    /// @notice Merges all findings into one status, by Intel's rules.
    function mergeStatus(Findings memory findings, bytes memory tcbInfo, QuoteClaims memory claims)
        internal
        pure
        returns (TcbStatus status)
    {
        status = _combine(findings.platform, findings.module);
        if (uint256(claims.td) >> 128 != 0) status = _afterRelaunch(findings, tcbInfo, claims, status);
        return _combine(status, findings.quotingEnclave);
    }

    /// @dev For a TD report 1.5, which also has the platform's TCB of today: an outdated TD may need only a relaunch,
    /// and a platform that is no longer supported is refused.
    function _afterRelaunch(
        Findings memory findings,
        bytes memory tcbInfo,
        QuoteClaims memory claims,
        TcbStatus status
    ) private pure returns (TcbStatus) {
        uint256 teeTcbSvn2 = uint256(claims.td) >> 128;
        uint256 svns = (uint256(claims.svns) & ~TDX_COMPONENTS) | teeTcbSvn2;
        (TcbStatus current,) = _platformLevel(tcbInfo, svns, (uint256(claims.pck) >> 16) & 0xffff);
        current = _combine(current, _moduleStatus(tcbInfo, teeTcbSvn2 << 128));
        if (current >= TcbStatus.REVOKED) return current;
        bool isBehind = status == TcbStatus.OUT_OF_DATE || status == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
        bool isGood = current <= TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
            && findings.quotingEnclave == TcbStatus.UP_TO_DATE;
        if (!isBehind || !isGood) return status;
        bool isConfigured = !_isConfigurationNeeded(status) && !_isConfigurationNeeded(current);
        return isConfigured ? TcbStatus.RELAUNCH_ADVISED : TcbStatus.RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    }

    /// @dev The platform's status, lowered by that of a module or quoting enclave.
    function _combine(TcbStatus platform, TcbStatus part) private pure returns (TcbStatus) {
        if (part == TcbStatus.UP_TO_DATE) return platform;
        if (part == TcbStatus.NOT_SUPPORTED || platform == TcbStatus.NOT_SUPPORTED) return TcbStatus.NOT_SUPPORTED;
        if (part == TcbStatus.REVOKED || platform == TcbStatus.REVOKED) return TcbStatus.REVOKED;
        if (platform >= TcbStatus.RELAUNCH_ADVISED) return platform;
        // what remains: the part is out of date
        return _isConfigurationNeeded(platform) ? TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED : TcbStatus.OUT_OF_DATE;
    }

    function _isConfigurationNeeded(TcbStatus status) private pure returns (bool) {
        return status == TcbStatus.CONFIGURATION_NEEDED || status == TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
            || status == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
    }

    /// @dev The 32 bytes at `offset`. They may extend past the end; callers use only what does not.
    function _word(bytes memory packed, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(packed, 0x20), offset))
        }
    }
}
