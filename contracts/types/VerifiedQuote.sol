// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What Intel's collateral says about the platform that made a quote, worst last.
enum TcbStatus {
    UNCHECKED, // the verifier in use doesn't look at collateral, or has none that is in force
    UP_TO_DATE,
    SW_HARDENING_NEEDED,
    CONFIGURATION_NEEDED,
    CONFIGURATION_AND_SW_HARDENING_NEEDED,
    RELAUNCH_ADVISED, // up to date, but the TD was started before the update
    RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    OUT_OF_DATE,
    OUT_OF_DATE_CONFIGURATION_NEEDED,
    REVOKED,
    NOT_SUPPORTED // below every level that Intel lists, or of a module or quoting enclave that it doesn't list
}

/// @notice Which of Intel's collateral a verdict may rest on. Two sets are in force at the same time: the newest
/// ("early") and the one before ("standard"), told apart by their evaluation numbers.
struct TcbPolicy {
    // No set below this number counts. Of the others the lowest that is in force does: uploading a newer set can't push
    // anybody out, and raising this number lets no older one live on.
    uint16 minimumEvaluationNumber;
    // Seconds since Intel issued TCB info, QE identity and PCK CRL; zero: until their own end (30 days).
    uint32 maxCollateralAge;
}

/// @notice The facts of a quote whose signatures have been checked up to the trusted root. In memory only, never
/// stored.
struct VerifiedQuote {
    // keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID)
    bytes32 measurement;
    // The two halves of the report data which the enclave asked for.
    bytes32 reportDataLow;
    bytes32 reportDataHigh;
    // Names the physical platform as far as the verifier knows it: the same for all quotes of one machine.
    bytes32 platformId;
    // keccak256(abi.encode(QuoteClaims))
    bytes32 quoteHash;
    TcbStatus tcbStatus;
    // The evaluation number of the TCB info that was used, and the date of the level in it; zero: none was.
    uint16 evaluationNumber;
    uint40 tcbDate;
    // Unix seconds at which the first thing that this verdict rests on ends; zero: the verifier knows no such time.
    uint40 validUntil;
    // Unix seconds at which the platform's certificates end, which no new collateral can put off; zero likewise.
    uint40 certifiedUntil;
    bytes6 fmspc;
    bytes16 teeTcbSvn;
    bytes8 tdAttributes;
    bytes8 xfam;
}

/// @notice What an assessment needs to know of a quote which was verified before: all that can turn from good to bad
/// while the quote stays the same, in the order and byte order of the quote. Its hash, keccak256(abi.encode(claims)),
/// is the quote's name on chain, so nobody can pass off other claims.
/// @dev Packed by hand: a recheck is paid for by its calldata, and by each certificate that it needn't look up.
struct QuoteClaims {
    // keccak256(quote core)
    bytes32 coreHash;
    bytes32 measurement;
    bytes32 platformId;
    // of the quoting enclave: MRSIGNER
    bytes32 qeSigner;
    // of the quoting enclave: ATTRIBUTES 16 ‖ MISCSELECT 4 ‖ ISVPRODID 2 ‖ ISVSVN 2 (both big-endian) ‖ zeros; and in
    // the last 5 bytes the Unix second at which the platform's certificates end
    bytes32 qeAndEnd;
    // component SVNs of the PCK certificate 16 ‖ TEE_TCB_SVN 16
    bytes32 svns;
    // of the PCK certificate: serial number 20 ‖ FMSPC 6 ‖ PCE id 2 ‖ PCESVN 2 ‖ index of its authority 2
    bytes32 pck;
    // TEE_TCB_SVN_2 16 (zero but for a TD report 1.5) ‖ TD attributes 8 ‖ XFAM 8
    bytes32 td;
}

/// @notice What is to be said today about a quote which was verified before.
struct QuoteAssessment {
    bytes32 platformId;
    // UNCHECKED: there is no collateral in force to judge by.
    TcbStatus tcbStatus;
    uint16 evaluationNumber;
    // Whether a bad status may be held against the platform: it stands in the lowest set that the policy allows, and
    // not only in a stricter one which stands in because the lowest wasn't refreshed.
    bool isConclusive;
    // Whether a CRL lists the platform's certificate or its authority's. For ever, however old the CRL is.
    bool isRevoked;
    // See VerifiedQuote.
    uint40 validUntil;
    uint40 certifiedUntil;
}
