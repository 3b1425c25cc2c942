// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../../interfaces/IQuoteVerifier.sol";
import {IAutomataDcap} from "../../interfaces/attestation/IAutomataDcap.sol";
import {IAutomataRouter} from "../../interfaces/attestation/IAutomataRouter.sol";
import {IAutomataVerifier} from "../../interfaces/attestation/IAutomataVerifier.sol";
import {IDcapVerifier} from "../../interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../interfaces/attestation/IPckCertificates.sol";
import {ClaimsHash} from "../../libraries/ClaimsHash.sol";
import {P256Verification} from "../../libraries/P256Verification.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus, VerifiedQuote} from "../../types/VerifiedQuote.sol";
import {QuoteRules} from "../quote/QuoteRules.sol";
import {WholeQuote} from "../quote/WholeQuote.sol";

/// @title AutomataVerifier
/// @notice See {IAutomataVerifier}.
contract AutomataVerifier is IAutomataVerifier {
    using WholeQuote for bytes;

    /// @notice Intel's chains of three certificates have 3,700 bytes.
    uint256 public constant MAX_CHAIN_BYTES = 16_384;

    /// @inheritdoc IAutomataVerifier
    IAutomataDcap public immutable AUTOMATA;
    IPckCertificates private immutable _CERTIFICATES;
    bool private immutable _NATIVE_P256;

    // offsets in Automata's output, which starts with quote version and body type
    uint256 private constant _STATUS = 4;
    uint256 private constant _FMSPC = 5;
    uint256 private constant _REPORT = 11;

    /// @dev "TCB status is revoked or missing", which Automata reports only after all signatures and certificates were
    /// valid; see {_requireTcbInfo}.
    bytes32 private constant _TCB_REVOKED_OR_MISSING = keccak256("TCBR");

    // the router's id of TDX, and the version of TCB info that its verifiers of quotes 4 and 5 use
    uint8 private constant _TDX = 1;
    uint32 private constant _TCB_INFO_VERSION = 3;

    // Automata's status numbers as TcbStatus, one octet each, number 0 lowest: UP_TO_DATE, SW_HARDENING_NEEDED,
    // CONFIGURATION_AND_SW_HARDENING_NEEDED, CONFIGURATION_NEEDED, OUT_OF_DATE, OUT_OF_DATE_CONFIGURATION_NEEDED,
    // REVOKED, NOT_SUPPORTED ("unrecognized"), RELAUNCH_ADVISED, RELAUNCH_ADVISED_CONFIGURATION_NEEDED. The last two
    // are declared in Automata's V5QuoteVerifier, which at commit 2df31aa reports OUT_OF_DATE instead.
    uint256 private constant _STATUSES = 0x06050a09080703040201;
    uint256 private constant _STATUS_COUNT = 10;

    mapping(bytes32 quoteHash => mapping(uint256 evaluationNumber => TcbStatus status)) private _reported;
    mapping(bytes32 quoteHash => bool isKnown) private _acceptedQuotes;

    /// @param automata Automata's contract. On Base Sepolia: 0xaDdeC7e85c2182202b66E331f2a4A0bBB2cEEa1F.
    /// @param certificates_ The store of PCK certificates, which pins the root.
    constructor(IAutomataDcap automata, IPckCertificates certificates_) {
        if (address(automata).code.length == 0) revert AutomataMissing(address(automata));
        AUTOMATA = automata;
        _CERTIFICATES = certificates_;
        _NATIVE_P256 = P256Verification.detect();
    }

    /// @inheritdoc IAutomataVerifier
    function certificates() external view returns (IPckCertificates) {
        return _CERTIFICATES;
    }

    /* VERDICTS */

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 pckId, TcbPolicy calldata policy)
        external
        returns (VerifiedQuote memory verified)
    {
        if (policy.maxCollateralAge != 0) revert CollateralAgeUnknown(policy.maxCollateralAge);
        (QuoteClaims memory claims, uint256 report) = _requireValid(quote, pckId);
        QuoteRules.fillVerified({verified: verified, core: quote.core(), report: report, claims: claims});
        (bool isAccepted, bytes memory output) = _callAutomata(quote, policy.minimumEvaluationNumber);
        if (!isAccepted) revert AutomataRefused(string(output));
        verified.tcbStatus = _statusIn({output: output, quote: quote, report: report, claims: claims});
        if (verified.tcbStatus >= TcbStatus.REVOKED) revert IDcapVerifier.TcbRefused(verified.tcbStatus);
        verified.evaluationNumber = policy.minimumEvaluationNumber;
        bytes32 quoteHash = ClaimsHash.hash(claims);
        _acceptedQuotes[quoteHash] = true;
        _storeStatus(quoteHash, policy.minimumEvaluationNumber, verified.tcbStatus);
    }

    /// @inheritdoc IAutomataVerifier
    function judge(bytes calldata quote, bytes32 pckId, uint16 evaluationNumber) external returns (TcbStatus status) {
        (QuoteClaims memory claims, uint256 report) = _requireValid(quote, pckId);
        bytes32 quoteHash = ClaimsHash.hash(claims);
        if (!_acceptedQuotes[quoteHash]) revert QuoteUnknown(quoteHash);
        (bool isAccepted, bytes memory output) = _callAutomata(quote, evaluationNumber);
        if (isAccepted) {
            status = _statusIn({output: output, quote: quote, report: report, claims: claims});
        } else if (keccak256(output) == _TCB_REVOKED_OR_MISSING) {
            _requireTcbInfo({version: uint8(quote[0]), fmspc: bytes6(claims.pck << 160), number: evaluationNumber});
            status = TcbStatus.NOT_SUPPORTED;
        } else {
            revert AutomataRefused(string(output));
        }
        _storeStatus(quoteHash, evaluationNumber, status);
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata claims, TcbPolicy calldata policy)
        external
        view
        returns (QuoteAssessment memory assessment)
    {
        if (policy.maxCollateralAge != 0) revert CollateralAgeUnknown(policy.maxCollateralAge);
        QuoteClaims memory copy = claims;
        bytes32 quoteHash = ClaimsHash.hash(copy);
        if (!_acceptedQuotes[quoteHash]) revert QuoteUnknown(quoteHash);
        assessment.platformId = copy.platformId;
        // UNCHECKED if there is no verdict by that set yet
        assessment.tcbStatus = _reported[quoteHash][policy.minimumEvaluationNumber];
        assessment.evaluationNumber = policy.minimumEvaluationNumber;
        assessment.isConclusive = true;
        assessment.certifiedUntil = QuoteRules.certifiedUntil(copy);
    }

    /* AUTOMATA */

    /// @dev Everything that needs no collateral.
    function _requireValid(bytes calldata quote, bytes32 pckId)
        private
        view
        returns (QuoteClaims memory claims, uint256 report)
    {
        return QuoteRules.requireValid({
            core: quote.core(), pckId: pckId, certificates: _CERTIFICATES, native: _NATIVE_P256
        });
    }

    /// @dev Has Automata's contract verify the raw quote.
    function _callAutomata(bytes calldata quote, uint256 evaluationNumber) private returns (bool, bytes memory) {
        uint256 length = quote.length - quote.core().length;
        if (length == 0 || length > MAX_CHAIN_BYTES) revert CertificateChainLengthInvalid(length, MAX_CHAIN_BYTES);
        return AUTOMATA.verifyAndAttestOnChain(quote.raw(), uint32(evaluationNumber));
    }

    /// @dev Reverts unless TCB info is in force, mostly with the router's own error. If TCB info has expired or was
    /// never uploaded, Automata's router returns none instead of reverting; no level matches then, and the verdict is
    /// that of a platform below every level.
    function _requireTcbInfo(uint16 version, bytes6 fmspc, uint32 number) private view {
        IAutomataRouter router = AUTOMATA.quoteVerifiers(version).pccsRouter();
        uint32 effectiveNumber = number == 0 ? router.getStandardTcbEvaluationDataNumber(_TDX) : number;
        bytes32 content = router.getFmspcTcbContentHash({
            id: _TDX, fmspc: fmspc, version: _TCB_INFO_VERSION, tcbEvaluationDataNumber: effectiveNumber
        });
        if (content == 0) revert IAutomataRouter.FmspcTcbExpiredOrNotFound(_TDX, _TCB_INFO_VERSION);
    }

    /// @dev The status in an output, which must be about this quote.
    function _statusIn(bytes memory output, bytes calldata quote, uint256 report, QuoteClaims memory claims)
        private
        pure
        returns (TcbStatus)
    {
        bytes calldata tdReport = quote.tdReport(report);
        if (output.length < _REPORT + tdReport.length) revert AutomataOutputUnexpected(output);
        bytes32 reported;
        uint256 fmspc;
        // the line above ensures that this is within the output
        assembly ("memory-safe") {
            reported := keccak256(add(output, add(0x20, _REPORT)), tdReport.length)
            fmspc := shr(208, mload(add(output, add(0x20, _FMSPC))))
        }
        uint256 number = uint8(output[_STATUS]);
        bool isOfQuote = reported == keccak256(tdReport) && bytes6(uint48(fmspc)) == bytes6(claims.pck << 160)
            && bytes4(output) == quote.versionAndBodyType();
        if (!isOfQuote || number >= _STATUS_COUNT) revert AutomataOutputUnexpected(output);
        return TcbStatus(uint8(_STATUSES >> (8 * number)));
    }

    /// @dev The latest verdict replaces the one before, better or worse.
    function _storeStatus(bytes32 quoteHash, uint256 evaluationNumber, TcbStatus status) private {
        _reported[quoteHash][evaluationNumber] = status;
        emit QuoteJudged(quoteHash, evaluationNumber, status);
    }
}
