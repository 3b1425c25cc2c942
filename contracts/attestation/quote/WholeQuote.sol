// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title WholeQuote
/// @notice A quote core followed by its PEM chain, and the raw quote that both make.
/// @dev A core omits lengths and types that are always the same; see {TdxQuote} and docs/protocol.md, section 3. All
/// functions but {core} require that {TdxQuote} has checked the core.
library WholeQuote {
    uint256 private constant _CORE_4 = 1_240;
    uint256 private constant _CORE_5 = 1_246;
    uint256 private constant _CORE_5_TD_1_5 = 1_310;
    uint256 private constant _CORE_5_TD_1_5_EX = 1_547;

    /// @dev After the signed part: signature 64 ‖ key 64 ‖ QE report 384 ‖ its signature 64 ‖ authentication data 32.
    uint256 private constant _SIGNATURES = 608;
    uint256 private constant _SIGNATURE_AND_KEY = 128;
    uint256 private constant _QE_REPORT_AND_SIGNATURE = 448;
    uint256 private constant _AUTHENTICATION = 32;

    /// @dev Types of certification data: a QE report with its signature and certificates, and a PEM chain.
    /// Little-endian.
    bytes2 private constant _QE_REPORT_TYPE = hex"0600";
    bytes2 private constant _PEM_TYPE = hex"0500";
    bytes2 private constant _AUTHENTICATION_SIZE = hex"2000";
    /// @dev Type and size of the QE's part: 2 + 4 bytes.
    uint256 private constant _OUTER_HEADER_BYTES = 6;

    /// @notice The core. A quote that is too short to have one is returned whole, for the caller to refuse.
    function core(bytes calldata quote) internal pure returns (bytes calldata) {
        if (quote.length < _CORE_4) return quote;
        // the version and the TD report's type are little-endian, both below 256
        uint256 size = quote[0] == 0x05 ? _coreOfVersion5(quote[48]) : _CORE_4;
        return quote.length < size ? quote : quote[:size];
    }

    function _coreOfVersion5(bytes1 bodyType) private pure returns (uint256) {
        if (bodyType == 0x04) return _CORE_5_TD_1_5_EX;
        return bodyType == 0x03 ? _CORE_5_TD_1_5 : _CORE_5;
    }

    /// @notice The TD report, which starts at offset `report` of the core.
    function tdReport(bytes calldata quote, uint256 report) internal pure returns (bytes calldata) {
        return quote[report:core(quote).length - _SIGNATURES];
    }

    /// @notice Version 2 ‖ type of the body 2, big-endian. A version 4 quote always has type 2, a TD report 1.0.
    function versionAndBodyType(bytes calldata quote) internal pure returns (bytes4) {
        return bytes4(abi.encodePacked(bytes1(0), quote[0], bytes1(0), quote[0] == 0x05 ? quote[48] : bytes1(0x02)));
    }

    /// @notice The quote as its machine issued it.
    function raw(bytes calldata quote) internal pure returns (bytes memory) {
        uint256 signedEnd = core(quote).length - _SIGNATURES;
        bytes memory enclave = _enclavePart(quote, signedEnd + _SIGNATURE_AND_KEY);
        return abi.encodePacked(
            quote[:signedEnd],
            _littleEndian(_SIGNATURE_AND_KEY + _OUTER_HEADER_BYTES + enclave.length),
            quote[signedEnd:signedEnd + _SIGNATURE_AND_KEY],
            _QE_REPORT_TYPE,
            _littleEndian(enclave.length),
            enclave
        );
    }

    /// @dev What certifies the attestation key: the QE's report, its signature, and the chain.
    function _enclavePart(bytes calldata quote, uint256 start) private pure returns (bytes memory) {
        uint256 authentication = start + _QE_REPORT_AND_SIGNATURE;
        bytes calldata chain = quote[authentication + _AUTHENTICATION:];
        return abi.encodePacked(
            quote[start:authentication],
            _AUTHENTICATION_SIZE,
            quote[authentication:authentication + _AUTHENTICATION],
            _PEM_TYPE,
            _littleEndian(chain.length),
            chain
        );
    }

    /// @dev Sizes here are far below 2^32.
    function _littleEndian(uint256 size) private pure returns (bytes4) {
        uint256 swapped = ((size & 0xff) << 24) | ((size & 0xff00) << 8) | ((size >> 8) & 0xff00) | (size >> 24);
        return bytes4(uint32(swapped));
    }
}
