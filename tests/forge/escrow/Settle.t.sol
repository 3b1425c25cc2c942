// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
contract SettleTest is RequestFixture {
    function test_settle__whole_path__pays() external {
        RequestId requestId = _open();
        escrow.settle(_settlement(requestId));
    }
}
