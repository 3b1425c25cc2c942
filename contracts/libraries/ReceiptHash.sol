// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestParameters} from "../types/Request.sol";
import {Settlement, StageReceipt} from "../types/Settlement.sol";

/// @title ReceiptHash
/// @notice EIP-712 struct hashes of what enclaves sign (docs/protocol.md, section 5), and the ERC-3009 nonce of a
/// request (section 6).
/// @dev The EIP-712 domain of receipts and settlements, "TeeTee Escrow" version "1", is set by {InferenceEscrow}'s
/// constructor. Python: teetee/protocol/receipts.py, and `escrow_domain` in teetee/protocol/typed_data.py.
library ReceiptHash {
    /// @notice Of what each stage signs.
    bytes32 internal constant STAGE_RECEIPT_TYPEHASH = keccak256(
        "StageReceipt(uint256 requestId,uint32 modelId,uint32 shardId,uint16 firstLayer,uint16 endLayer,"
        "bytes32 identityDigest,uint32 firstPosition,uint32 endPosition,bytes32 inputCommitment,"
        "bytes32 outputCommitment,bytes32 previousReceipt)"
    );
    /// @notice Of what the entry signs.
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(uint256 requestId,address requester,bytes4 noncePrefix,uint32 inputTokens,uint32 outputTokens,"
        "bytes32 answerHash,bytes32 lastReceipt)"
    );
    /// @notice Of what an authorization's nonce binds.
    bytes32 internal constant REQUEST_TYPEHASH = keccak256(
        "TeeTeeRequest(uint256 chainId,address escrow,address requester,uint32 modelId,uint32[] recipients,"
        "uint24 maxInputTokens,uint16 maxOutputTokens,uint96 maxDeposit,uint40 deadline,bytes32 clientNonce,"
        "bytes envelope)"
    );

    /// @notice The struct hash of a receipt.
    function hash(StageReceipt memory receipt) internal pure returns (bytes32) {
        uint256 pointer;
        assembly {
            pointer := receipt
        }
        return _hashInPlace(pointer, 11, STAGE_RECEIPT_TYPEHASH);
    }

    /// @notice The struct hash of a settlement.
    function hash(Settlement memory settlement) internal pure returns (bytes32) {
        uint256 pointer;
        assembly {
            pointer := settlement
        }
        return _hashInPlace(pointer, 7, SETTLEMENT_TYPEHASH);
    }

    /// @dev keccak256(abi.encode(typeHash, members)) without copying: a struct of value types lies in memory as
    /// abi.encode writes it, one clean word per member. The type hash is written to the word before the struct, which
    /// is then restored; there is one, because nothing is allocated below 0x80.
    function _hashInPlace(uint256 pointer, uint256 members, bytes32 typeHash)
        private
        pure
        returns (bytes32 structHash)
    {
        assembly ("memory-safe") {
            let before := sub(pointer, 0x20)
            let saved := mload(before)
            mstore(before, typeHash)
            structHash := keccak256(before, mul(add(members, 1), 0x20))
            mstore(before, saved)
        }
    }

    /// @notice Binds a request's parameters to its requester, the escrow and the chain.
    function hash(RequestParameters calldata parameters, address requester, address escrow)
        internal
        view
        returns (bytes32)
    {
        // In two halves, because twelve values do not fit on one stack.
        bytes memory firstHalf = abi.encode(
            REQUEST_TYPEHASH,
            block.chainid,
            escrow,
            requester,
            parameters.modelId,
            keccak256(abi.encodePacked(parameters.recipients))
        );
        bytes memory secondHalf = abi.encode(
            parameters.maxInputTokens,
            parameters.maxOutputTokens,
            parameters.maxDeposit,
            parameters.deadline,
            parameters.clientNonce,
            keccak256(parameters.envelope)
        );
        return keccak256(bytes.concat(firstHalf, secondHalf));
    }
}
