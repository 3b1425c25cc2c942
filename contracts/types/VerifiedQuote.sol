// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What Intel's collateral says about the platform that made a quote, worst last.
enum TcbStatus {
    UNCHECKED, // the verifier uses no collateral, or none is in force
    UP_TO_DATE, // nothing is known to be missing
    SW_HARDENING_NEEDED, // up to date, but software must mitigate known issues itself
    CONFIGURATION_NEEDED, // up to date, but settings of the platform may leave known issues open
    CONFIGURATION_AND_SW_HARDENING_NEEDED, // both of these
    RELAUNCH_ADVISED, // up to date, but the TD was started before the update
    RELAUNCH_ADVISED_CONFIGURATION_NEEDED, // the same, and settings may leave known issues open
    OUT_OF_DATE, // updates of the platform, its module or its quoting enclave are missing
    OUT_OF_DATE_CONFIGURATION_NEEDED, // the same, and settings may leave known issues open
    REVOKED, // Intel has revoked this level
    NOT_SUPPORTED // below every level that Intel lists, or of a module or quoting enclave that it does not list
}

/// @notice Which of Intel's collateral an assessment relies on. Several sets are in force at the same time: the newest
/// ("early"), the one before, and older ones for up to fifteen months. Their evaluation numbers tell them apart.
struct TcbPolicy {
    // The lowest number that is allowed. Of the allowed sets, the lowest in force counts: uploading a newer set cannot
    // evict a shard, and raising this number retires the older set.
    uint16 minimumEvaluationNumber;
    // Maximum seconds since Intel issued TCB info, QE identity and PCK CRL; zero: until they expire, after 30 days
    uint32 maxCollateralAge;
}

/// @notice What a quote says whose signatures were verified up to the trusted root. In memory only, never stored.
struct VerifiedQuote {
    // what the quote states, apart from its report data
    QuoteClaims claims;
    // the two halves of the report data, which the enclave chose
    bytes32 reportDataLow;
    bytes32 reportDataHigh;
    TcbStatus tcbStatus;
    // evaluation number of the TCB info that was used, and Unix seconds of the date of its level; zero: none was used
    uint16 evaluationNumber;
    uint40 tcbDate;
    // Unix seconds at which the first item expires that the status relies on; zero: the verifier knows no such time
    uint40 validUntil;
}

/// @notice What an assessment needs to know of a quote that was verified before: everything that can turn from good to
/// bad while the quote stays the same, in the order and byte order of the quote. Its hash,
/// keccak256(abi.encode(claims)), is the quote's name on chain, so other claims cannot be passed off as its own.
/// @dev Packed by hand: a recheck pays for its calldata, and for each certificate that it has to look up.
struct QuoteClaims {
    // keccak256(quote core)
    bytes32 coreHash;
    // keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID): which image runs
    bytes32 measurement;
    // identifies the physical platform: the same in all quotes of one machine
    bytes32 platformId;
    // MRSIGNER of the quoting enclave
    bytes32 qeSigner;
    // of the quoting enclave: ATTRIBUTES 16 ‖ MISCSELECT 4 ‖ ISVPRODID 2 ‖ ISVSVN 2 (both big-endian) ‖ zeros 3; and
    // the Unix second at which the platform's certificates expire 5 (zero: the verifier knows no such time)
    bytes32 qeAndEnd;
    // component SVNs of the PCK certificate 16 ‖ TEE_TCB_SVN 16
    bytes32 svns;
    // of the PCK certificate: serial number 20 ‖ FMSPC 6 ‖ PCE id 2 ‖ PCESVN 2 ‖ index of its authority 2
    bytes32 pck;
    // TEE_TCB_SVN_2 16 (zero except in a TD report 1.5) ‖ TD attributes 8 ‖ XFAM 8
    bytes32 td;
}

/// @notice The assessment of a quote by the collateral of today.
struct QuoteAssessment {
    bytes32 platformId;
    // UNCHECKED: no collateral is in force
    TcbStatus tcbStatus;
    uint16 evaluationNumber;
    // Whether a bad status is final: it is from the lowest set that the policy allows, and not from a stricter one that
    // counts only because the lowest was not refreshed. A set that expired more than 60 days ago is forgotten.
    bool isConclusive;
    // whether a CRL lists the platform's certificate or its authority; permanent, even when the CRL has expired
    bool isRevoked;
    // see VerifiedQuote
    uint40 validUntil;
    // Unix seconds at which the platform's certificates expire, which no new collateral changes; zero as above
    uint40 certifiedUntil;
}
