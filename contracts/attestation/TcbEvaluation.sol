// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {QuoteClaims, TcbStatus} from "../types/VerifiedQuote.sol";
import {PckCertificate} from "./IPckCertificates.sol";

/// @title TcbEvaluation
/// @notice What Intel's TCB info and QE identity, as {CollateralReader} packs them, say about a platform.
/// @dev TCB info: where the levels are 2 ‖ base module is Intel's 1 ‖ number of modules 2 ‖ modules (version 1 ‖ is
/// Intel's 1 ‖ number of levels 2 ‖ levels (ISVSVN 1 ‖ status 1)) ‖ number of levels 2 ‖ levels (SGX components 16 ‖ TDX
/// components 16 ‖ PCESVN 2 ‖ status 1 ‖ date 5).
/// QE identity: MISCSELECT 4 ‖ its mask 4 ‖ ATTRIBUTES 16 ‖ their mask 16 ‖ MRSIGNER 32 ‖ ISVPRODID 2 ‖ number of levels
/// 2 ‖ levels (ISVSVN 2 ‖ status 1).
/// Source: Intel's quote verification library, TcbLevelCheck, TdxModuleCheck, TDRelaunchCheck and EnclaveReportVerifier.
library TcbEvaluation {
    /// @dev What the parts say; see {merged}.
    struct Findings {
        // of the first level which the SGX components reach, and of the first which the TDX components reach as well
        TcbStatus sgx;
        TcbStatus tdx;
        TcbStatus module;
        TcbStatus quotingEnclave;
        // of the level which the TDX components reach
        uint40 date;
    }

    uint256 private constant LEVEL = 40;
    uint256 private constant SVN_MODULES = 5;
    uint256 private constant ENCLAVE_LEVELS = 74;

    // every second octet, and above it
    uint256 private constant LANES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant GUARDS = 0x0100010001000100010001000100010001000100010001000100010001000100;

    /* TCB INFO */

    /// @notice Finds the levels of the platform and its module.
    function findPlatform(
        Findings memory findings,
        bytes memory tcbInfo,
        PckCertificate memory pck,
        bytes16 teeTcbSvn
    ) internal pure {
        (findings.module,) = _module(tcbInfo, teeTcbSvn);
        findings.sgx = TcbStatus.NOT_SUPPORTED;
        findings.tdx = TcbStatus.NOT_SUPPORTED;
        uint256 sgx = uint256(uint128(pck.componentSvns)) << 128;
        // the first two are the module's own numbers, which its identity judges when it has a version
        uint256 tdx = uint128(teeTcbSvn);
        if (uint8(teeTcbSvn[1]) > 0) tdx |= uint256(0xffff) << 112;
        (uint256 place, uint256 end) = _levels(tcbInfo);
        for (; place < end; place += LEVEL) {
            uint256 required = _word(tcbInfo, place);
            uint256 rest = _word(tcbInfo, place + 32);
            if (rest >> 240 > pck.pceSvn) continue;
            if (findings.sgx == TcbStatus.NOT_SUPPORTED && _reaches(sgx, required & ~uint256(type(uint128).max))) {
                findings.sgx = TcbStatus(uint8(rest >> 232));
            }
            if (_reaches(sgx | tdx, required)) {
                findings.tdx = TcbStatus(uint8(rest >> 232));
                findings.date = uint40(rest >> 192);
                return;
            }
        }
    }

    /// @dev What becomes of `status` if the TD would be up to date once started anew: its module was replaced since.
    /// @param teeTcbSvn2 What the module that is loaded now says; zero: it isn't known.
    function _relaunched(Findings memory findings, bytes memory tcbInfo, bytes16 teeTcbSvn2, TcbStatus status)
        private
        pure
        returns (TcbStatus)
    {
        bool isBehind = status == TcbStatus.OUT_OF_DATE || status == TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED;
        bool isElseGood = findings.sgx <= TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED
            && findings.quotingEnclave == TcbStatus.UP_TO_DATE;
        if (teeTcbSvn2 == 0 || !isBehind || !isElseGood || findings.module != TcbStatus.OUT_OF_DATE) return status;
        (uint256 latest,) = _levels(tcbInfo);
        uint256 latestSvn = uint8(tcbInfo[latest + 16]);
        if (teeTcbSvn2[1] != 0) {
            TcbStatus found;
            (found, latestSvn) = _module(tcbInfo, teeTcbSvn2);
            if (latestSvn > type(uint8).max) return found;
        }
        bool isReplaced = uint8(teeTcbSvn2[0]) >= latestSvn && uint8(teeTcbSvn2[2]) >= uint8(tcbInfo[latest + 18]);
        if (!isReplaced) return status;
        bool isConfigured = !_isConfigurationNeeded(status) && !_isConfigurationNeeded(findings.sgx);
        return isConfigured ? TcbStatus.RELAUNCH_ADVISED : TcbStatus.RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
    }

    /// @dev The status of that module, and the first ISVSVN which Intel lists for its version (above 255: none).
    function _module(bytes memory tcbInfo, bytes16 teeTcbSvn)
        private
        pure
        returns (TcbStatus status, uint256 latestSvn)
    {
        (uint256 svn, uint256 version) = (uint8(teeTcbSvn[0]), uint8(teeTcbSvn[1]));
        latestSvn = type(uint256).max;
        if (version == 0) {
            bool isIntels = tcbInfo[2] != 0;
            return (isIntels ? TcbStatus.UP_TO_DATE : TcbStatus.NOT_SUPPORTED, latestSvn);
        }
        uint256 place = SVN_MODULES;
        for (uint256 left = _word(tcbInfo, 3) >> 240; left != 0; --left) {
            uint256 head = _word(tcbInfo, place);
            uint256 levels = place + 4;
            place = levels + 2 * ((head >> 224) & 0xffff);
            if (head >> 248 != version) continue;
            if ((head >> 240) & 0xff == 0) break;
            latestSvn = _word(tcbInfo, levels) >> 248;
            return (_firstReached({packed: tcbInfo, place: levels, end: place, step: 2, svn: svn}), latestSvn);
        }
        status = TcbStatus.NOT_SUPPORTED;
    }

    /// @dev Where the levels are; the latest comes first.
    function _levels(bytes memory tcbInfo) private pure returns (uint256 start, uint256 end) {
        uint256 counter = _word(tcbInfo, 0) >> 240;
        start = counter + 2;
        end = start + LEVEL * (_word(tcbInfo, counter) >> 240);
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
    function findQuotingEnclave(bytes memory identity, QuoteClaims memory claims)
        internal
        pure
        returns (TcbStatus status)
    {
        uint256 head = _word(identity, 0);
        uint256 attributes = _word(identity, 8);
        bool isMeant = ((uint32(claims.qeMiscSelect) ^ (head >> 224)) & (head >> 192)) & type(uint32).max == 0
            && (uint128(claims.qeAttributes) ^ (attributes >> 128)) & attributes & type(uint128).max == 0
            && uint256(claims.qeSigner) == _word(identity, 40) && claims.qeProduct == _word(identity, 72) >> 240;
        if (!isMeant) return TcbStatus.NOT_SUPPORTED;
        uint256 start = ENCLAVE_LEVELS + 2;
        uint256 end = start + 3 * (_word(identity, ENCLAVE_LEVELS) >> 240);
        return _firstReached({packed: identity, place: start, end: end, step: 3, svn: claims.qeSvn});
    }

    /// @dev The status of the first level whose ISVSVN (`step` - 1 bytes) is at most `svn`.
    function _firstReached(bytes memory packed, uint256 place, uint256 end, uint256 step, uint256 svn)
        private
        pure
        returns (TcbStatus)
    {
        for (; place < end; place += step) {
            uint256 level = _word(packed, place) >> (256 - 8 * step);
            if (svn >= level >> 8) return TcbStatus(uint8(level));
        }
        return TcbStatus.NOT_SUPPORTED;
    }

    /* MERGING */

    /// @notice One status out of all findings, by Intel's rules.
    function merged(Findings memory findings, bytes memory tcbInfo, bytes16 teeTcbSvn2)
        internal
        pure
        returns (TcbStatus status)
    {
        if (findings.sgx == TcbStatus.NOT_SUPPORTED || findings.tdx == TcbStatus.NOT_SUPPORTED) {
            return TcbStatus.NOT_SUPPORTED;
        }
        status = _converged(findings.tdx, findings.module);
        status = _relaunched({findings: findings, tcbInfo: tcbInfo, teeTcbSvn2: teeTcbSvn2, status: status});
        return _converged(status, findings.quotingEnclave);
    }

    /// @dev A platform's status, made worse by that of a module or a quoting enclave.
    function _converged(TcbStatus platform, TcbStatus part) private pure returns (TcbStatus) {
        if (part == TcbStatus.NOT_SUPPORTED || platform == TcbStatus.NOT_SUPPORTED) return TcbStatus.NOT_SUPPORTED;
        if (part == TcbStatus.REVOKED || platform == TcbStatus.REVOKED) return TcbStatus.REVOKED;
        if (part == TcbStatus.UP_TO_DATE || platform >= TcbStatus.OUT_OF_DATE) return platform;
        // the part is out of date
        return
            _isConfigurationNeeded(platform) ? TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED : TcbStatus.OUT_OF_DATE;
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
