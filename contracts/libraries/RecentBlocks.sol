// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title RecentBlocks
/// @notice Block hashes: of the last 256 blocks by opcode, of the last 8191 where the chain stores them (EIP-2935).
library RecentBlocks {
    /// @notice EIP-2935's history contract.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @notice The hash of a block before the current one; zero if it is not available.
    function hashOf(uint256 blockNumber) internal view returns (bytes32 blockHash) {
        blockHash = blockhash(blockNumber);
        if (blockHash != bytes32(0)) return blockHash;
        // The history contract takes and returns raw words, not ABI calls. It reverts for a block that it does not
        // have; on a chain without it the answer is empty. solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory answer) = HISTORY.staticcall(abi.encode(blockNumber));
        if (success && answer.length == 32) blockHash = abi.decode(answer, (bytes32));
    }
}
