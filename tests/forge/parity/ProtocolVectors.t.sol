// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InferenceEscrow} from "../../../contracts/InferenceEscrow.sol";
import {ShardRegistry} from "../../../contracts/ShardRegistry.sol";
import {EnclaveIdentity} from "../../../contracts/libraries/EnclaveIdentity.sol";
import {ReceiptHash} from "../../../contracts/libraries/ReceiptHash.sol";
import {ModelId, RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {ModelParameters} from "../../../contracts/types/Model.sol";
import {Settlement, StageReceipt} from "../../../contracts/types/Settlement.sol";
import {Identity} from "../../../contracts/types/Shard.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// Given the vectors which Python computed (tests/vectors/protocol.json)
///   when the contracts compute the same hashes, on the same chain and at the same addresses: they should agree
///   when the vectors' signatures are recovered: they should be the signers'
contract ProtocolVectorsTest is ShardFixture {
    string private _vectors;

    function setUp() public override {
        super.setUp();
        _vectors = vm.readFile(string.concat(vm.projectRoot(), "/tests/vectors/protocol.json"));
    }

    function test_sliceDigest__vectors__agrees() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.layerDigests = vm.parseJsonBytes32Array(_vectors, ".slice.layerDigests");
        parameters.embeddingDigest = _bytes32(".slice.embeddingDigest");
        parameters.headDigest = _bytes32(".slice.headDigest");
        vm.prank(publisher);
        ModelId published = registry.publishModel(parameters, _one(MEASUREMENT));
        uint16 first = uint16(_uint(".slice.firstLayer"));
        uint16 end = uint16(_uint(".slice.endLayer"));
        uint16 all = uint16(parameters.layerDigests.length);
        vm.assertEq(registry.sliceDigest(published, first, end, false), _bytes32(".slice.middleSliceDigest"));
        vm.assertEq(registry.sliceDigest(published, first, end, true), _bytes32(".slice.entrySliceDigest"));
        vm.assertEq(registry.sliceDigest(published, 0, all, true), _bytes32(".slice.wholeSliceDigest"));
    }

    function test_identityDigest__vectors__agrees() external {
        vm.assertEq(EnclaveIdentity.IDENTITY_TYPEHASH, _bytes32(".identity.typeHash"));
        vm.chainId(_uint(".identity.chainId"));
        ShardRegistry placed = _registryAt(_address(".identity.registry"));
        Identity memory identity = Identity({
            host: _address(".identity.host"),
            modelId: ModelId.wrap(uint32(_uint(".identity.modelId"))),
            firstLayer: uint16(_uint(".identity.firstLayer")),
            endLayer: uint16(_uint(".identity.endLayer")),
            isEntry: vm.parseJsonBool(_vectors, ".identity.isEntry"),
            sliceDigest: _bytes32(".identity.sliceDigest"),
            signer: _address(".identity.signer"),
            kem: _bytes32(".identity.kem"),
            tls: _bytes32(".identity.tls")
        });
        vm.assertEq(placed.identityDigest(identity), _bytes32(".identity.identityDigest"));
    }

    function test_reportData__vectors__agrees() external view {
        vm.assertEq(EnclaveIdentity.REPORT_TYPEHASH, _bytes32(".report.typeHash"));
        bytes32 low = EnclaveIdentity.reportData({
            identityDigest: _bytes32(".report.identityDigest"),
            blockNumber: _uint(".report.blockNumber"),
            blockHash: _bytes32(".report.blockHash")
        });
        vm.assertEq(abi.encodePacked(low, bytes32(0)), vm.parseJsonBytes(_vectors, ".report.reportData"));
    }

    function test_enrolmentDigest__vectors__agrees() external {
        vm.assertEq(EnclaveIdentity.ENROLMENT_TYPEHASH, _bytes32(".enrolment.typeHash"));
        vm.chainId(_uint(".enrolment.chainId"));
        bytes32 digest = _registryAt(_address(".enrolment.registry"))
            .enrolmentDigest({
            identityDigest_: _bytes32(".enrolment.identityDigest"),
            endpoint: vm.parseJsonString(_vectors, ".enrolment.endpoint"),
            payout: _address(".enrolment.payout"),
            blockNumber: _uint(".enrolment.blockNumber")
        });
        vm.assertEq(digest, _bytes32(".enrolment.digest"));
        _assertSigned(digest, ".enrolment");
    }

    function test_receiptDigest__vectors__agrees() external {
        vm.assertEq(ReceiptHash.STAGE_RECEIPT_TYPEHASH, _bytes32(".stageReceipt.typeHash"));
        vm.chainId(_uint(".stageReceipt.chainId"));
        StageReceipt memory receipt = StageReceipt({
            requestId: RequestId.wrap(_uint(".stageReceipt.requestId")),
            modelId: ModelId.wrap(uint32(_uint(".stageReceipt.modelId"))),
            shardId: ShardId.wrap(uint32(_uint(".stageReceipt.shardId"))),
            firstLayer: uint16(_uint(".stageReceipt.firstLayer")),
            endLayer: uint16(_uint(".stageReceipt.endLayer")),
            identityDigest: _bytes32(".stageReceipt.identityDigest"),
            firstPosition: uint32(_uint(".stageReceipt.firstPosition")),
            endPosition: uint32(_uint(".stageReceipt.endPosition")),
            inputCommitment: _bytes32(".stageReceipt.inputCommitment"),
            outputCommitment: _bytes32(".stageReceipt.outputCommitment"),
            previousReceipt: _bytes32(".stageReceipt.previousReceipt")
        });
        vm.assertEq(ReceiptHash.hash(receipt), _bytes32(".stageReceipt.structHash"));
        bytes32 digest = _escrowDigest(_escrowAt(_address(".stageReceipt.escrow")), ReceiptHash.hash(receipt));
        vm.assertEq(digest, _bytes32(".stageReceipt.digest"));
        _assertSigned(digest, ".stageReceipt");
    }

    function test_settlementDigest__vectors__agrees() external {
        vm.assertEq(ReceiptHash.SETTLEMENT_TYPEHASH, _bytes32(".settlement.typeHash"));
        vm.chainId(_uint(".settlement.chainId"));
        Settlement memory settlement = Settlement({
            requestId: RequestId.wrap(_uint(".settlement.requestId")),
            requester: _address(".settlement.requester"),
            noncePrefix: bytes4(vm.parseJsonBytes(_vectors, ".settlement.noncePrefix")),
            inputTokens: uint32(_uint(".settlement.inputTokens")),
            outputTokens: uint32(_uint(".settlement.outputTokens")),
            answerHash: _bytes32(".settlement.answerHash"),
            lastReceipt: _bytes32(".settlement.lastReceipt")
        });
        vm.assertEq(ReceiptHash.hash(settlement), _bytes32(".settlement.structHash"));
        bytes32 digest = _escrowDigest(_escrowAt(_address(".settlement.escrow")), ReceiptHash.hash(settlement));
        vm.assertEq(digest, _bytes32(".settlement.digest"));
        _assertSigned(digest, ".settlement");
    }

    /* HELP */

    /// @dev The same code at the vectors' address: its EIP-712 domain follows.
    function _registryAt(address place) private returns (ShardRegistry) {
        vm.etch(place, address(registry).code);
        return ShardRegistry(place);
    }

    function _escrowAt(address place) private returns (address) {
        vm.etch(place, address(escrow).code);
        return place;
    }

    function _assertSigned(bytes32 digest, string memory section) private view {
        bytes32 r = _bytes32(string.concat(section, ".r"));
        bytes32 vs = _bytes32(string.concat(section, ".vs"));
        vm.assertEq(ECDSA.recover(digest, r, vs), _address(string.concat(section, ".signer")));
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_vectors, key);
    }

    function _address(string memory key) private view returns (address) {
        return vm.parseJsonAddress(_vectors, key);
    }

    function _bytes32(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_vectors, key);
    }
}
