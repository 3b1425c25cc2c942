// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestParameters} from "../types/Request.sol";
import {Settlement, StageReceipt} from "../types/Settlement.sol";

/// @title ReceiptHash
/// @notice EIP-712 struct hashes of what enclaves sign; docs/protocol.md, section 5. And what a requester's ERC-3009
/// nonce is made of; section 6.
library ReceiptHash {
    bytes32 internal constant STAGE_RECEIPT_TYPEHASH = keccak256(
        "StageReceipt(uint256 requestId,uint32 modelId,uint32 shardId,uint16 firstLayer,uint16 endLayer,"
        "bytes32 identityDigest,uint32 firstPosition,uint32 endPosition,bytes32 inputCommitment,"
        "bytes32 outputCommitment,bytes32 previousReceipt)"
    );
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(uint256 requestId,address requester,uint32 inputTokens,uint32 outputTokens,bytes32 answerHash,"
        "bytes32 lastReceipt)"
    );
    bytes32 internal constant REQUEST_TYPEHASH = keccak256(
        "TeeTeeRequest(uint256 chainId,address escrow,address requester,uint32 modelId,uint32[] recipients,"
        "uint24 maxInputTokens,uint16 maxOutputTokens,uint96 maxDeposit,uint40 deadline,bytes32 clientNonce,"
        "bytes envelope)"
    );

    function hash(StageReceipt memory receipt) internal pure returns (bytes32) {
        uint256 place;
        assembly {
            place := receipt
        }
        return _hashInPlace(place, 11, STAGE_RECEIPT_TYPEHASH);
    }

    function hash(Settlement memory settlement) internal pure returns (bytes32) {
        uint256 place;
        assembly {
            place := settlement
        }
        return _hashInPlace(place, 6, SETTLEMENT_TYPEHASH);
    }

    /// @dev keccak256(abi.encode(typeHash, members)), without the copy: in memory a struct of value types is laid out
    /// as abi.encode does it, one clean word for each member. The type hash goes into the word before, which is put
    /// back; there is one, because nothing is allocated below 0x80.
    function _hashInPlace(uint256 place, uint256 members, bytes32 typeHash) private pure returns (bytes32 structHash) {
        assembly ("memory-safe") {
            let before := sub(place, 0x20)
            let kept := mload(before)
            mstore(before, typeHash)
            structHash := keccak256(before, mul(add(members, 1), 0x20))
            mstore(before, kept)
        }
    }

    /// @notice Binds a request as it is asked to who asks, the escrow and the chain.
    function hash(RequestParameters calldata parameters, address requester, address escrow)
        internal
        view
        returns (bytes32)
    {
        // In two halves, because one call can't hold so many values on its stack.
        bytes memory who = abi.encode(
            REQUEST_TYPEHASH,
            block.chainid,
            escrow,
            requester,
            parameters.modelId,
            keccak256(abi.encodePacked(parameters.recipients))
        );
        bytes memory what = abi.encode(
            parameters.maxInputTokens,
            parameters.maxOutputTokens,
            parameters.maxDeposit,
            parameters.deadline,
            parameters.clientNonce,
            keccak256(parameters.envelope)
        );
        return keccak256(bytes.concat(who, what));
    }
}
