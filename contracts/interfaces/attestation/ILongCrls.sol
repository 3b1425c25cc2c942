// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {Crl} from "./ICrlReader.sol";

/// @notice A CRL whose entries were uploaded before, in parts. All but the parts is DER, as it is in the CRL.
struct LongCrl {
    // the issuer's name
    bytes issuer;
    // UTCTime, both
    bytes thisUpdate;
    bytes nextUpdate;
    // what follows the serial number in an entry: the date, optionally the reason; Intel's entries all have the same
    bytes[] endings;
    // in the order of the CRL
    address[] parts;
    // [0] { … }, all extensions of the CRL
    bytes extensions;
    // the issuer's ECDSA signature over P-256
    uint256 r;
    uint256 s;
}

/// @title ILongCrls
/// @notice CRLs that are too long for {ICrlReader}, for one transaction, or for the code of one contract.
/// @dev To upload one: {addPart} for its entries, {addPage} until all of them are sorted, then
/// {ICollateral.updateLongPckCrl}. That last call alone decides: it writes the DER that Intel signed from the parts and
/// checks the signature over it. Before, anyone may add anything. It cannot get in the way of others, because parts and
/// pages are named by their content: what two callers have in common they share, and what they have not does not meet.
/// A CRL of a later month with the same entries in the same order needs the last call only.
interface ILongCrls {
    /// @notice A part was stored.
    event CrlPartAdded(address indexed part);
    /// @notice A page of sorted serial numbers was stored, which a list of parts has from `start` until before `end`.
    event CrlPageAdded(bytes32 indexed listId, uint256 start, uint256 end, address page);

    /// @notice A part is some entries of 22 bytes, at most as many as fit into the code of a contract.
    error CrlPartLengthInvalid(uint256 length);
    /// @notice There is no part at that address, or no part at all.
    error CrlPartUnknown(address part);
    /// @notice Pages are added in ascending order: the next one begins at `start` and ends beyond it, at most at 2^160.
    error CrlPageEndInvalid(uint256 start, uint256 end);
    /// @notice A page has at most `max` different serial numbers and, unless it is the last, at least half as many.
    /// Choose another end.
    error CrlPageLengthInvalid(uint256 count, uint256 max);
    /// @notice The parts are sorted until before `end` only. Add the remaining pages.
    error CrlPagesMissing(uint256 end);
    /// @notice A date is not one UTCTime, and nothing else.
    error CrlDateInvalid(bytes der);
    /// @notice A part has an entry of a serial number of zero, or of an ending that is not given.
    error CrlEntryInvalid(address part);

    /// @notice Stores entries of a CRL. Does nothing if the same ones are stored already. Anyone may call.
    /// @param entries Per entry the serial number 20 ‖ the index of its ending 2.
    /// @return part Its address, which depends on its content alone.
    function addPart(bytes calldata entries) external returns (address part);

    /// @notice Sorts the next page of a list of parts. Anyone may call.
    /// @param parts As in {LongCrl}.
    /// @param end The page has all serial numbers below this one that former pages do not have; at the last page 2^160.
    /// @return page The address of the page.
    function addPage(address[] calldata parts, uint256 end) external returns (address page);

    /// @notice The address that a part of these entries has, and whether it is there already.
    function findPart(bytes calldata entries) external view returns (address part, bool isThere);

    /// @notice The serial number until before which a list of parts is sorted: from zero to 2^160, which is all.
    function sortedUntil(address[] calldata parts) external view returns (uint256 end);

    /// @notice Reads a CRL. Checks its form; the signature is for the caller to check.
    /// @return crl As {ICrlReader} returns it, but `serials` is the directory of its pages; see {RevokedSerials}.
    function read(LongCrl calldata list) external view returns (Crl memory crl);
}
