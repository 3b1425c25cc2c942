// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PckCertificates} from "../../../../contracts/attestation/certificates/PckCertificates.sol";
import {
    Authority,
    IPckCertificates,
    PckCertificate
} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @dev given a root
///     when it is a self-signed authority in force
///         it should be pinned and published
///     when it is a leaf, badly signed, or not in force
///         it should revert
/// given an authority's certificate
///     when the root signed it
///         it should be stored and published once
///     when it isn't the root's, isn't an authority, or isn't in force
///         it should revert
/// given a PCK leaf
///     when a stored authority signed it
///         it should be stored and published once, with Intel's facts about the machine
///         it should be refused under every other authority
///     when it is no leaf of a platform, or not in force, or its issuer has expired
///         it should revert
/// given an id
///     when root, authority or leaf has it
///         it should name the block of the event
contract PckCertificatesTest is AttestationVectors {
    uint256 private constant INTEL_ROOT_ENDS = 2524607999; // 2049-12-31T23:59:59Z
    uint256 private constant INTEL_AUTHORITY_ENDS = 2000285410; // 2033-05-21T10:50:10Z
    uint256 private constant NEAR_MPC_ENDS = 1983339454; // 2032-11-06T07:37:34Z

    // 7f:64:9b:cb:09:0c:55:32:4a:53:9e:ff:27:00:69:f0:47:61:3f:4e
    uint256 private constant SERIAL = (0x7f649bcb << 128) | 0x090c55324a539eff270069f047613f4e;

    PckCertificates private _intel;
    PckCertificates private _simulated;

    function setUp() external {
        vm.warp(_number(NEAR_MPC, "at"));
        _intel = new PckCertificates(_bytes(INTEL, "root"));
        _simulated = new PckCertificates(_bytes(SIMULATED, "root"));
    }

    /* ROOT */

    function test_constructor__intels_root__pinned_and_published() external {
        bytes memory der = _bytes(INTEL, "root");
        vm.expectEmit();
        emit IPckCertificates.RootPinned(keccak256(_tbs(der)), der);
        (bytes32 id, uint256 x, uint256 y, uint40 expiresAt) = new PckCertificates(der).root();
        vm.assertEq(id, keccak256(_tbs(der)));
        vm.assertEq(x, 0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5);
        vm.assertEq(y, 0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394);
        vm.assertEq(expiresAt, INTEL_ROOT_ENDS);
    }

    function test_constructor__an_authority_below_the_root__reverts() external {
        bytes memory der = _bytes(INTEL, "authority");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.RootInvalid.selector, keccak256(_tbs(der))));
        new PckCertificates(der);
    }

    function test_constructor__a_leaf__reverts() external {
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.RootInvalid.selector, keccak256(_tbs(der))));
        new PckCertificates(der);
    }

    function test_constructor__a_root_signed_by_another_key__reverts() external {
        bytes memory tbs = _tbs(_bytes(SIMULATED, "root"));
        bytes memory der = _certificate(tbs, uint256(_word(SIMULATED, "authorityKey")));
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.CertificateSignatureInvalid.selector, keccak256(tbs)));
        new PckCertificates(der);
    }

    function test_constructor__a_root_that_has_ended__reverts() external {
        bytes memory der = _bytes(INTEL, "root");
        vm.warp(INTEL_ROOT_ENDS + 1);
        cheats.expectPartialRevert(IPckCertificates.CertificateNotInForce.selector);
        new PckCertificates(der);
    }

    /* AUTHORITIES */

    function test_addAuthority__intels_platform_authority__stored_and_published() external {
        bytes memory der = _bytes(INTEL, "authority");
        bytes32 expected = _word(NEAR_MPC, "authorityId");
        vm.expectEmit(address(_intel));
        emit IPckCertificates.AuthorityAdded(expected, 1, der);
        vm.assertEq(_intel.addAuthority(der), expected);
        vm.assertTrue(_intel.hasAuthority(expected));
        Authority memory stored = _intel.authority(expected);
        vm.assertEq(stored.x, 0x35207feeddb595748ed82bb3a71c3be1e241ef61320c6816e6b5c2b71dad5532);
        vm.assertEq(stored.y, 0xeaea12a4eb3f948916429ea47ba6c3af82a15e4b19664e52657939a2d96633de);
        vm.assertEq(uint256(stored.serial), 0x00956f5dcdbd1be1e94049c9d4f433ce01570bde54);
        vm.assertEq(stored.expiresAt, INTEL_AUTHORITY_ENDS);
        vm.assertEq(stored.index, 1);
        vm.assertEq(_intel.authorityIdAt(1), expected);
        vm.assertEq(_intel.authorityIdAt(2), 0);
    }

    function test_addAuthority__a_second_time__changes_nothing() external {
        bytes memory der = _bytes(INTEL, "authority");
        bytes32 id = _intel.addAuthority(der);
        vm.recordLogs();
        vm.assertEq(_intel.addAuthority(der), id);
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_addAuthority__of_another_root__reverts() external {
        bytes memory der = _bytes(INTEL, "authority");
        cheats.expectPartialRevert(IPckCertificates.IssuerMismatch.selector);
        _simulated.addAuthority(der);
    }

    function test_addAuthority__of_a_root_with_the_same_name__reverts() external {
        bytes memory der = _bytes(STRANGER, "authority");
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.CertificateSignatureInvalid.selector, keccak256(_tbs(der)))
        );
        _simulated.addAuthority(der);
    }

    function test_addAuthority__a_signing_certificate_of_the_root__reverts() external {
        bytes memory der = _bytes(INTEL, "tcbSigning");
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.CertificateKindWrong.selector, keccak256(_tbs(der)), false)
        );
        _intel.addAuthority(der);
    }

    function test_addAuthority__the_root_itself__reverts() external {
        bytes memory der = _bytes(INTEL, "root");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.RootInvalid.selector, keccak256(_tbs(der))));
        _intel.addAuthority(der);
    }

    function test_addAuthority__that_has_ended__reverts() external {
        bytes memory der = _bytes(INTEL, "authority");
        vm.warp(INTEL_AUTHORITY_ENDS);
        bytes32 id = _intel.addAuthority(der);
        vm.assertTrue(_intel.hasAuthority(id), "its last second counts");
        bytes memory processor = _bytes(INTEL, "processorAuthority");
        vm.warp(INTEL_AUTHORITY_ENDS + 1);
        cheats.expectPartialRevert(IPckCertificates.CertificateNotInForce.selector);
        _intel.addAuthority(processor);
    }

    function test_addAuthority__after_the_root_has_ended__reverts() external {
        bytes memory der = _bytes(INTEL, "authority");
        (bytes32 rootId,,,) = _intel.root();
        vm.warp(INTEL_ROOT_ENDS + 1);
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.IssuerExpired.selector, rootId, INTEL_ROOT_ENDS));
        _intel.addAuthority(der);
    }

    function test_authority__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.AuthorityUnknown.selector, bytes32("?")));
        _intel.authority("?");
    }

    /* LEAVES */

    function test_addPckCertificate__intels_leaf__stored_with_the_machines_facts_and_published() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        bytes32 expected = _word(NEAR_MPC, "pckId");
        vm.expectEmit(address(_intel));
        emit IPckCertificates.PckCertificateAdded(expected, authorityId, _word(NEAR_MPC, "platformId"), der);
        vm.assertEq(_intel.addPckCertificate(der, authorityId), expected);

        PckCertificate memory stored = _intel.pckCertificate(expected);
        vm.assertEq(stored.x, 0x6a6fd18b98aea02e48a0732a5b9bea62feaef7c3e408d83b740d81f5b3b60e1e);
        vm.assertEq(stored.y, 0x9b5106055906956bddb81d1741213fb31183992bcaa3db770ab38f0b8494e97e);
        vm.assertEq(bytes32(stored.ppid), bytes32(hex"d208dfb1002346ae1bb4ef2a3c055292"));
        vm.assertEq(bytes32(stored.componentSvns), bytes32(hex"04040202040100050000000000000000"));
        vm.assertEq(bytes32(stored.fmspc), bytes32(hex"b0c06f000000"));
        vm.assertEq(bytes32(stored.pceId), 0);
        vm.assertEq(stored.pceSvn, 11);
        vm.assertEq(stored.configuration, 7);
        vm.assertEq(stored.sgxType, 1);
        vm.assertEq(uint256(stored.serial), SERIAL);
        vm.assertEq(stored.authorityIndex, 1);
        vm.assertEq(stored.expiresAt, NEAR_MPC_ENDS);
    }

    function test_addPckCertificate__all_recorded_leaves__stored_under_their_ids() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        string[5] memory recorded = [NEAR_MPC, PHALA, DSTACK, AUTOMATA, GOOGLE];
        for (uint256 i = 0; i < recorded.length; ++i) {
            vm.assertEq(
                _intel.addPckCertificate(_bytes(recorded[i], "leaf"), authorityId), _word(recorded[i], "pckId")
            );
            bytes16 ppid = _intel.pckCertificate(_word(recorded[i], "pckId")).ppid;
            vm.assertEq(keccak256(abi.encodePacked(ppid)), _word(recorded[i], "platformId"));
        }
    }

    function test_addPckCertificate__a_second_time__changes_nothing() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        bytes32 id = _intel.addPckCertificate(der, authorityId);
        vm.recordLogs();
        vm.assertEq(_intel.addPckCertificate(der, authorityId), id);
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_addPckCertificate__with_the_signature_turned__stored_under_the_same_id() external {
        bytes32 authorityId = _simulated.addAuthority(_bytes(SIMULATED, "authority"));
        bytes memory tbs = _tbs(_bytes(FIRST, "leaf"));
        bytes memory der = _certificate(tbs, uint256(_word(SIMULATED, "authorityKey")));
        vm.assertEq(_simulated.addPckCertificate(der, authorityId), _word(FIRST, "pckId"));
    }

    function test_addPckCertificate__authority_not_stored__reverts() external {
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        bytes32 authorityId = _word(NEAR_MPC, "authorityId");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.AuthorityUnknown.selector, authorityId));
        _intel.addPckCertificate(der, authorityId);
    }

    function test_addPckCertificate__under_another_authority__reverts() external {
        bytes32 processorId = _intel.addAuthority(_bytes(INTEL, "processorAuthority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        cheats.expectPartialRevert(IPckCertificates.IssuerMismatch.selector);
        _intel.addPckCertificate(der, processorId);
    }

    function test_addPckCertificate__of_a_machine_that_is_none_of_the_platform_authority__reverts() external {
        bytes32 processorId = _intel.addAuthority(_bytes(INTEL, "processorAuthority"));
        bytes memory der = _bytes(INTEL, "processorLeaf");
        cheats.expectRevert();
        _intel.addPckCertificate(der, processorId);
    }

    function test_addPckCertificate__signed_by_another_key_of_the_same_name__reverts() external {
        bytes32 authorityId = _simulated.addAuthority(_bytes(SIMULATED, "authority"));
        bytes memory der = _bytes(STRANGER, "first.leaf");
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.CertificateSignatureInvalid.selector, keccak256(_tbs(der)))
        );
        _simulated.addPckCertificate(der, authorityId);
    }

    function test_addPckCertificate__an_authority__reverts() external {
        bytes memory der = _bytes(INTEL, "authority");
        bytes32 authorityId = _intel.addAuthority(der);
        bytes memory root = _bytes(INTEL, "root");
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.CertificateKindWrong.selector, keccak256(_tbs(root)), true)
        );
        _intel.addPckCertificate(root, authorityId);
    }

    function test_addPckCertificate__before_it_begins__reverts() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        vm.warp(1762414653); // a second before 2025-11-06T07:37:34Z
        vm.expectRevert(
            abi.encodeWithSelector(
                IPckCertificates.CertificateNotInForce.selector, _word(NEAR_MPC, "pckId"), 1762414654, NEAR_MPC_ENDS
            )
        );
        _intel.addPckCertificate(der, authorityId);
    }

    function test_addPckCertificate__after_it_ended__reverts() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        vm.warp(NEAR_MPC_ENDS + 1);
        cheats.expectPartialRevert(IPckCertificates.CertificateNotInForce.selector);
        _intel.addPckCertificate(der, authorityId);
    }

    function test_addPckCertificate__after_its_authority_ended__reverts() external {
        bytes32 authorityId = _intel.addAuthority(_bytes(INTEL, "authority"));
        bytes memory der = _bytes(NEAR_MPC, "leaf");
        vm.warp(INTEL_AUTHORITY_ENDS + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.IssuerExpired.selector, authorityId, INTEL_AUTHORITY_ENDS)
        );
        _intel.addPckCertificate(der, authorityId);
    }

    /* BLOCKS */

    function test_addedInBlock__root_authority_and_leaf__the_block_of_their_events() external {
        vm.roll(1_000);
        PckCertificates store = new PckCertificates(_bytes(INTEL, "root"));
        (bytes32 rootId,,,) = store.root();
        vm.roll(2_000);
        bytes32 authorityId = store.addAuthority(_bytes(INTEL, "authority"));
        vm.roll(4_294_967_295);
        bytes32 pckId = store.addPckCertificate(_bytes(NEAR_MPC, "leaf"), authorityId);
        vm.roll(4_294_967_296);
        store.addAuthority(_bytes(INTEL, "authority"));
        store.addPckCertificate(_bytes(NEAR_MPC, "leaf"), authorityId);
        vm.assertEq(store.addedInBlock(rootId), 1_000);
        vm.assertEq(store.addedInBlock(authorityId), 2_000);
        vm.assertEq(store.addedInBlock(pckId), 4_294_967_295);
    }

    function test_addedInBlock__unknown__zero() external view {
        vm.assertEq(_intel.addedInBlock(keccak256("unknown")), 0);
        vm.assertEq(_intel.addedInBlock(0), 0);
    }

    function test_pckCertificate__unknown__reverts() external {
        vm.assertFalse(_intel.hasPckCertificate("?"));
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.PckCertificateUnknown.selector, bytes32("?")));
        _intel.pckCertificate("?");
    }

    /* GAS */

    function test_addPckCertificate__its_gas__at_most_210000() external {
        bytes32 authorityId = _word(NEAR_MPC, "authorityId");
        bytes memory authority = _bytes(INTEL, "authority");
        bytes memory leaf = _bytes(NEAR_MPC, "leaf");
        _intel.addAuthority(authority);
        _intel.addPckCertificate(leaf, authorityId);
        vm.assertLe(_transactionGas(abi.encodeCall(_intel.addPckCertificate, (leaf, authorityId))), 210_000);
    }
}
