// SPDX-License-Identifier: UNLICENSED
pragma solidity >=0.8.37;

/// @notice What Intel's collateral says about the platform that made a quote, worst last.
enum TcbStatus {
    UNCHECKED, // the verifier in use doesn't look at collateral
    UP_TO_DATE,
    SW_HARDENING_NEEDED,
    CONFIGURATION_NEEDED,
    CONFIGURATION_AND_SW_HARDENING_NEEDED,
    RELAUNCH_ADVISED, // up to date, but the TD was started before the update
    RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    OUT_OF_DATE,
    OUT_OF_DATE_CONFIGURATION_NEEDED,
    REVOKED
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
    // keccak256(quote core)
    bytes32 quoteHash;
    TcbStatus tcbStatus;
    // Unix seconds after which this verdict must not be relied on; zero: the verifier knows no such time.
    uint40 validUntil;
    bytes16 teeTcbSvn;
    bytes8 tdAttributes;
    bytes8 xfam;
}
