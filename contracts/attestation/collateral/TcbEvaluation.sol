// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuoteClaims, TcbStatus} from "../../types/VerifiedQuote.sol";

/// @title TcbEvaluation
/// @notice What Intel's TCB info and QE identity, as {CollateralReader} packs them, say about a platform.
/// @dev TCB info: where the levels are 2 ‖ base module is Intel's 1 ‖ number of modules 2 ‖ modules (version 1 ‖ is
/// Intel's 1 ‖ number of levels 2 ‖ levels (ISVSVN 1 ‖ status 1)) ‖ number of levels 2 ‖ levels (SGX components 16 ‖
/// TDX components 16 ‖ PCESVN 2 ‖ status 1 ‖ date 5). QE identity: MISCSELECT 4 ‖ its mask 4 ‖ ATTRIBUTES 16 ‖ their
/// mask 16 ‖ MRSIGNER 32 ‖ ISVPRODID 2 ‖ number of levels 2 ‖ levels (ISVSVN 2 ‖ status 1). Source: Intel's quote
/// verification library, TcbLevelCheck, TdxModuleCheck, TDRelaunchCheck and EnclaveReportVerifier.
library TcbEvaluation {
    /// @dev What the parts say; see {merge}.
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

    // every second octet, and above it
    uint256 private constant LANES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant GUARDS = 0x0100010001000100010001000100010001000100010001000100010001000100;
    // the first two TDX components, behind 16 of SGX; and all of them
    uint256 private constant MODULE_COMPONENTS = 0xffff << 112;
    uint256 private constant TDX_COMPONENTS = type(uint128).max;

    /* TCB INFO */

    /// @notice Finds the levels of the platform and its module, as they were when the TD was started.
    function findPlatform(Findings memory findings, bytes memory tcbInfo, QuoteClaims memory claims) internal pure {
        uint256 svns = uint256(claims.svns);
        (findings.platform, findings.date) = _level(tcbInfo, svns, (uint256(claims.pck) >> 16) & 0xffff);
        findings.module = _module(tcbInfo, svns << 128);
    }

    /// @dev The first level that all components and the PCESVN reach.
    function _level(bytes memory tcbInfo, uint256 svns, uint256 pceSvn)
        private
        pure
        returns (TcbStatus status, uint40 date)
    {
        // offsets are below 2^16
        unchecked {
            // the first two of TDX are the module's own numbers, which its identity judges when it has a version
            if ((svns >> 112) & 0xff != 0) svns |= MODULE_COMPONENTS;
            uint256 counter = _word(tcbInfo, 0) >> 240;
            uint256 place = counter + 2;
            uint256 end = place + LEVEL * (_word(tcbInfo, counter) >> 240);
            for (; place < end; place += LEVEL) {
                uint256 rest = _word(tcbInfo, place + 32);
                if (rest >> 240 <= pceSvn && _reaches(svns, _word(tcbInfo, place))) {
                    return (TcbStatus(uint8(rest >> 232)), uint40(rest >> 192));
                }
            }
            return (TcbStatus.NOT_SUPPORTED, 0);
        }
    }

    /// @dev The status of the module with that TEE_TCB_SVN (in the upper 16 bytes).
    function _module(bytes memory tcbInfo, uint256 teeTcbSvn) private pure returns (TcbStatus) {
        // offsets are below 2^16
        unchecked {
            uint256 version = (teeTcbSvn >> 240) & 0xff;
            if (version == 0) {
                return _word(tcbInfo, 2) >> 248 != 0 ? TcbStatus.UP_TO_DATE : TcbStatus.NOT_SUPPORTED;
            }
            uint256 place = MODULES;
            for (uint256 left = _word(tcbInfo, 3) >> 240; left != 0; --left) {
                uint256 head = _word(tcbInfo, place);
                uint256 end = place + 4 + 2 * ((head >> 224) & 0xffff);
                if (head >> 248 == version) {
                    // one of another signer is none that a quote which is let in can have
                    if ((head >> 240) & 0xff == 0) break;
                    return _firstReached({packed: tcbInfo, place: place + 4, end: end, step: 2, svn: teeTcbSvn >> 248});
                }
                place = end;
            }
            return TcbStatus.NOT_SUPPORTED;
        }
    }

    /// @dev Whether each of 32 octets is at least as large as the other's: in lanes of 16 bits a guard bit survives the
    /// subtraction exactly then.
    function _reaches(uint256 has, uint256 needs) private pure returns (bool) {
        unchecked {
            uint256 even = ((has & LANES) | GUARDS) - (needs & LANES);
            uint256 odd = (((has >> 8) & LANES) | GUARDS) - ((needs >> 8) & LANES);
            return even & odd & GUARDS == GUARDS;
        }
    }

    /* QUOTING ENCLAVE */

    /// @notice Whether it is the enclave that the identity describes, and which level it is at.
    function findQuotingEnclave(bytes memory identity, QuoteClaims memory claims) internal pure returns (TcbStatus) {
        uint256 qe = uint256(claims.qeAndEnd);
        uint256 misc = _word(identity, 0);
        uint256 attributes = _word(identity, 8);
        bool isMeant = ((qe >> 128) ^ (attributes >> 128)) & attributes & type(uint128).max == 0
            && ((qe >> 96) ^ (misc >> 224)) & (misc >> 192) & type(uint32).max == 0
            && uint256(claims.qeSigner) == _word(identity, 40) && (qe >> 80) & 0xffff == _word(identity, 72) >> 240;
        if (!isMeant) return TcbStatus.NOT_SUPPORTED;
        uint256 end = ENCLAVE_LEVELS + 3 * (_word(identity, ENCLAVE_LEVELS - 2) >> 240);
        return _firstReached({packed: identity, place: ENCLAVE_LEVELS, end: end, step: 3, svn: (qe >> 64) & 0xffff});
    }

    /// @dev The status of the first level whose ISVSVN (`step` - 1 bytes) is at most `svn`.
    function _firstReached(bytes memory packed, uint256 place, uint256 end, uint256 step, uint256 svn)
        private
        pure
        returns (TcbStatus)
    {
        unchecked {
            for (; place < end; place += step) {
                uint256 level = _word(packed, place) >> (256 - 8 * step);
                if (svn >= level >> 8) return TcbStatus(uint8(level));
            }
        }
        return TcbStatus.NOT_SUPPORTED;
    }

    /* MERGING */

    /// @notice One status out of all findings, by Intel's rules.
    function merge(Findings memory findings, bytes memory tcbInfo, QuoteClaims memory claims)
        internal
        pure
        returns (TcbStatus status)
    {
        status = _converged(findings.platform, findings.module);
        if (uint256(claims.td) >> 128 != 0) status = _relaunched(findings, tcbInfo, claims, status);
        return _converged(status, findings.quotingEnclave);
    }

    /// @dev Of a TD report 1.5, which also says what the platform has become since the TD was started: what is behind
    /// may be good again once the TD is started anew, and what isn't supported any more isn't.
    function _relaunched(Findings memory findings, bytes memory tcbInfo, QuoteClaims memory claims, TcbStatus status)
        private
        pure
        returns (TcbStatus)
    {
        uint256 teeTcbSvn2 = uint256(claims.td) >> 128;
        uint256 svns = (uint256(claims.svns) & ~TDX_COMPONENTS) | teeTcbSvn2;
        (TcbStatus present,) = _level(tcbInfo, svns, (uint256(claims.pck) >> 16) & 0xffff);
        present = _converged(present, _module(tcbInfo, teeTcbSvn2 << 128));
        if (present >= TcbStatus.REVOKED) return present;
        bool isBehind = status == TcbStatus.OUT_OF_DATE || status == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
        bool isGood = present <= TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
            && findings.quotingEnclave == TcbStatus.UP_TO_DATE;
        if (!isBehind || !isGood) return status;
        bool isConfigured = !_isConfigurationNeeded(status) && !_isConfigurationNeeded(present);
        return isConfigured ? TcbStatus.RELAUNCH_ADVISED : TcbStatus.RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    }

    /// @dev A platform's status, made worse by that of a module or a quoting enclave.
    function _converged(TcbStatus platform, TcbStatus part) private pure returns (TcbStatus) {
        if (part == TcbStatus.UP_TO_DATE) return platform;
        if (part == TcbStatus.NOT_SUPPORTED || platform == TcbStatus.NOT_SUPPORTED) return TcbStatus.NOT_SUPPORTED;
        if (part == TcbStatus.REVOKED || platform == TcbStatus.REVOKED) return TcbStatus.REVOKED;
        if (platform >= TcbStatus.RELAUNCH_ADVISED) return platform;
        // the part is out of date
        return _isConfigurationNeeded(platform) ? TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED : TcbStatus.OUT_OF_DATE;
    }

    function _isConfigurationNeeded(TcbStatus status) private pure returns (bool) {
        return status == TcbStatus.CONFIGURATION_NEEDED || status == TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
            || status == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
    }

    /// @dev The 32 bytes at that offset. They may reach past the end, which does no harm: what is used of them doesn't.
    function _word(bytes memory packed, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(packed, 0x20), offset))
        }
    }
}
