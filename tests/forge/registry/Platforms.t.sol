// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IModelRegistry} from "../../../contracts/interfaces/IModelRegistry.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ModelId} from "../../../contracts/types/Identifiers.sol";
import {EnrolmentParameters} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a platform
///   when it is denied: that should take effect immediately, for all models, and no enclave on it should enrol
///   when it is readmitted: that should require notice, and its enclaves should enrol again
///   when it is denied twice, or readmitted without being denied: it should be refused by name
/// Given a model whose policy requires listed platforms
///   when a platform is not on its list: no enclave on it should enrol
///   when it is listed: that should require notice, hold for that model alone, and its enclaves should enrol
///   when it is unlisted: that should take effect immediately
///   when it is listed twice, or unlisted without being listed: it should be refused by name
///   when it is listed and denied: no enclave on it should enrol
/// Given a model whose policy does not require listed platforms
///   its list should not matter
contract PlatformsTest is ShardFixture {
    /* DENIED */

    function test_denyPlatform__admitted__denies_it_at_once() external {
        vm.expectEmit(address(registry));
        emit IModelAdministration.PlatformDenied(PLATFORM);
        _deny();
        vm.assertTrue(registry.isPlatformDenied(PLATFORM));
        vm.assertFalse(registry.isPlatformDenied(keccak256("another machine")));
    }

    function test_denyPlatform__admitted__keeps_it_out_of_all_models() external {
        ModelId second = _publish();
        _deny();
        _assertNotEnrollable();
        modelId = second;
        _assertNotEnrollable();
    }

    function test_denyPlatform__denied__reverts() external {
        _deny();
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.PlatformAlreadyDenied.selector, PLATFORM));
        registry.denyPlatform(PLATFORM);
    }

    function test_readmitPlatform__denied__admits_it_after_notice() external {
        _deny();
        bytes memory call = abi.encodeCall(registry.readmitPlatform, (PLATFORM));
        _schedule(call);
        _assertNotEnrollable(); // until then
        vm.expectEmit(address(registry));
        emit IModelAdministration.PlatformReadmitted(PLATFORM);
        vm.prank(noticeGiver);
        manager.execute(address(registry), call);
        vm.assertFalse(registry.isPlatformDenied(PLATFORM));
        vm.assertTrue(registry.isActive(_shard("entry", 0, 2, true).shardId));
    }

    function test_readmitPlatform__not_denied__reverts() external {
        _assertRefusedAfterNotice(
            abi.encodeCall(registry.readmitPlatform, (PLATFORM)),
            abi.encodeWithSelector(IModelAdministration.PlatformNotDenied.selector, PLATFORM)
        );
    }

    /* LISTED */

    function test_listPlatform__not_listed__lists_it_after_notice() external {
        _requireListed();
        bytes memory call = abi.encodeCall(registry.listPlatform, (modelId, PLATFORM));
        _schedule(call);
        _assertNotEnrollable(); // until then
        vm.expectEmit(address(registry));
        emit IModelAdministration.PlatformListed(modelId, PLATFORM);
        vm.prank(noticeGiver);
        manager.execute(address(registry), call);
        vm.assertTrue(registry.isPlatformListed(modelId, PLATFORM));
        vm.assertTrue(registry.isActive(_shard("entry", 0, 2, true).shardId));
    }

    function test_listPlatform__for_one_model__counts_for_no_other() external {
        _list();
        modelId = _publish();
        _requireListed();
        vm.assertFalse(registry.isPlatformListed(modelId, PLATFORM));
        _assertNotEnrollable();
    }

    function test_listPlatform__listed__reverts() external {
        _list();
        _assertRefusedAfterNotice(
            abi.encodeCall(registry.listPlatform, (modelId, PLATFORM)),
            abi.encodeWithSelector(IModelAdministration.PlatformAlreadyListed.selector, modelId, PLATFORM)
        );
    }

    function test_unlistPlatform__listed__takes_it_off_at_once() external {
        _requireListed();
        _list();
        vm.expectEmit(address(registry));
        emit IModelAdministration.PlatformUnlisted(modelId, PLATFORM);
        vm.prank(guardian);
        registry.unlistPlatform(modelId, PLATFORM);
        vm.assertFalse(registry.isPlatformListed(modelId, PLATFORM));
        _assertNotEnrollable();
    }

    function test_unlistPlatform__not_listed__reverts() external {
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.PlatformNotListed.selector, modelId, PLATFORM));
        registry.unlistPlatform(modelId, PLATFORM);
    }

    function test_enrol__listed_but_denied__reverts() external {
        _requireListed();
        _list();
        _deny();
        _assertNotEnrollable();
    }

    function test_enrol__not_listed_where_that_is_not_wanted__enrols() external {
        vm.assertFalse(registry.isPlatformListed(modelId, PLATFORM));
        vm.assertTrue(registry.isActive(_shard("entry", 0, 2, true).shardId));
    }

    /* HELP */

    function _requireListed() private {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.onlyListedPlatforms = true;
        _tighten(policy);
    }

    function _list() private {
        _afterNotice(noticeGiver, address(registry), abi.encodeCall(registry.listPlatform, (modelId, PLATFORM)));
    }

    function _deny() private {
        vm.prank(guardian);
        registry.denyPlatform(PLATFORM);
    }

    function _assertNotEnrollable() private {
        Enclave memory enclave = _enclave("refused", 0, 2, true);
        EnrolmentParameters memory parameters = _enrolmentParameters(enclave);
        bytes memory quote = _quote(parameters, enclave.host);
        bytes memory signature = _signedEnrolment(enclave, parameters);
        vm.prank(enclave.host);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.PlatformIsDenied.selector, PLATFORM));
        registry.enrol({parameters: parameters, quote: quote, pckId: PCK_ID, signerSignature: signature});
    }

    function _schedule(bytes memory call) private {
        vm.prank(noticeGiver);
        manager.schedule(address(registry), call, 0);
        vm.warp(vm.getBlockTimestamp() + NOTICE_DELAY);
    }

    function _assertRefusedAfterNotice(bytes memory call, bytes memory expected) private {
        _schedule(call);
        vm.prank(noticeGiver);
        vm.expectRevert(expected);
        manager.execute(address(registry), call);
    }
}
