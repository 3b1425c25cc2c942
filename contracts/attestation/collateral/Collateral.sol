// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {CollateralItem, ICollateral} from "../../interfaces/attestation/ICollateral.sol";
import {CollateralHeader, ICollateralReader} from "../../interfaces/attestation/ICollateralReader.sol";
import {Crl, ICrlReader} from "../../interfaces/attestation/ICrlReader.sol";
import {ILongCrls, LongCrl} from "../../interfaces/attestation/ILongCrls.sol";
import {Authority, CollateralSigner, IPckCertificates} from "../../interfaces/attestation/IPckCertificates.sol";
import {P256Key, P256Signature, P256Verification} from "../../libraries/P256Verification.sol";
import {TcbPolicy} from "../../types/VerifiedQuote.sol";
import {CodeBlob} from "./CodeBlob.sol";
import {QeIdentityItem} from "./QeIdentityItem.sol";
import {RevokedSerials} from "./RevokedSerials.sol";

/// @title Collateral
/// @notice See {ICollateral}.
/// @dev Each item's content is the code of a contract, so reading it costs one slot and one code copy, regardless of
/// its length. What an assessment needs of the root CRL is copied to the slot of each authority, so it costs nothing
/// extra.
abstract contract Collateral is ICollateral {
    IPckCertificates internal immutable _CERTIFICATES;
    ICollateralReader private immutable _COLLATERAL_READER;
    ICrlReader private immutable _CRL_READER;
    ILongCrls private immutable _LONG_CRLS;
    bool internal immutable _NATIVE_P256;
    uint256 private immutable _ROOT_X;
    uint256 private immutable _ROOT_Y;
    bytes32 private immutable _ROOT_SUBJECT;
    uint160 private immutable _ROOT_SERIAL;
    uint40 private immutable _ROOT_EXPIRES_AT;

    uint256 private constant _MAX_NUMBER = 255;
    bytes32 internal constant _QE_IDENTITIES = 0;

    // An item, from the lowest bits: pointer 160, issued at 32, in force until 32 (inclusive), size 16, signer 16. If
    // the size is zero, a QE identity's levels stand in place of the pointer. 32 bits of Unix seconds last until 2106.
    // The key is FMSPC 6 ‖ PCE id 2 ‖ zeros ‖ number 2; no FMSPC is zero.
    mapping(bytes32 key => uint256 item) private _items;
    mapping(bytes32 subject => uint256 mask) private _numbers;

    // The same for the root CRL, without signer, and in force until before the second date.
    uint256 private _rootCrl;
    // An authority's CRL: pointer 160, end 32 (exclusive; of this or the root CRL, whichever is first), size 16,
    // isRevoked 16, mask of revoked signers of collateral 32. Its content starts with issued at 5 ‖ next update 5. The
    // highest bit of its size, which needs 15 bits, is set if what follows is the directory of a long CRL's pages.
    mapping(uint256 authorityIndex => uint256 item) private _pckCrls;

    uint256 private constant _CRL_HEADER_BYTES = 10;
    uint256 private constant _HAS_PAGES = 1 << 207;

    // How long an expired item still makes the verdict of a higher number inconclusive: long enough for anyone to
    // upload its successor if there is one. Intel does not reissue a retired set.
    uint256 private constant _REMEMBERED = 60 days;

    constructor(
        IPckCertificates certificates_,
        ICollateralReader collateralReader,
        ICrlReader crlReader,
        ILongCrls longCrls_
    ) {
        _CERTIFICATES = certificates_;
        _COLLATERAL_READER = collateralReader;
        _CRL_READER = crlReader;
        _LONG_CRLS = longCrls_;
        _NATIVE_P256 = P256Verification.detect();
        (, _ROOT_X, _ROOT_Y, _ROOT_EXPIRES_AT) = certificates_.root();
        (_ROOT_SUBJECT, _ROOT_SERIAL) = certificates_.rootName();
    }

    /* REVOCATION LISTS */

    /// @inheritdoc ICollateral
    function updateRootCrl(bytes calldata der) external {
        Crl memory crl = _CRL_READER.read(der);
        _requireSigned(crl, _ROOT_SUBJECT, P256Key({x: _ROOT_X, y: _ROOT_Y}), _ROOT_EXPIRES_AT);
        _requireNewer(uint32(_rootCrl >> 160), crl.thisUpdate);
        address pointer = SSTORE2.write(crl.serials);
        _rootCrl = uint256(uint160(pointer)) | (uint256(crl.thisUpdate) << 160) | (uint256(crl.nextUpdate) << 192)
            | (crl.serials.length << 224);
        emit RootCrlUpdated(crl.thisUpdate, crl.nextUpdate, der);
        _applyRootCrl(crl);
    }

    /// @inheritdoc ICollateral
    function updatePckCrl(bytes calldata der, bytes32 authorityId) external {
        _storePckCrl({crl: _CRL_READER.read(der), flags: 0, authorityId: authorityId, der: der});
    }

    /// @inheritdoc ICollateral
    function updateLongPckCrl(LongCrl calldata list, bytes32 authorityId) external {
        _storePckCrl({crl: _LONG_CRLS.read(list), flags: _HAS_PAGES, authorityId: authorityId, der: ""});
    }

    /// @dev Stores a CRL, if its authority signed it, and it is in force and newer.
    function _storePckCrl(Crl memory crl, uint256 flags, bytes32 authorityId, bytes memory der) private {
        Authority memory authority = _CERTIFICATES.authority(authorityId);
        (, uint256 rootNextUpdate, bytes memory rootSerials) = _requireRootCrl();
        _requireSigned(crl, authority.subject, P256Key({x: authority.x, y: authority.y}), authority.expiresAt);
        uint256 stored = _pckCrls[authority.index];
        if (stored != 0) {
            (uint256 storedIssuedAt,) = _crlWindow(stored);
            _requireNewer(storedIssuedAt, crl.thisUpdate);
        }
        bytes memory content = abi.encodePacked(crl.thisUpdate, crl.nextUpdate, crl.serials);
        _pckCrls[authority.index] = _pckCrlItem({
            pointerAndSize: uint256(uint160(SSTORE2.write(content))) | (content.length << 192) | flags,
            usableUntil: _earlier(crl.nextUpdate, rootNextUpdate),
            authoritySerial: authority.serial,
            rootSerials: rootSerials
        });
        emit PckCrlUpdated(authorityId, crl.thisUpdate, crl.nextUpdate, der);
    }

    /// @dev Copies what the root CRL says of each authority to its slot. Intel has two.
    function _applyRootCrl(Crl memory crl) private {
        for (uint256 index = 1;; ++index) {
            bytes32 authorityId = _CERTIFICATES.authorityIdAt(index);
            if (authorityId == bytes32(0)) return;
            uint256 item = _pckCrls[index];
            if (item == 0) continue;
            (, uint256 nextUpdate) = _crlWindow(item);
            _pckCrls[index] = _pckCrlItem({
                pointerAndSize: item & (type(uint160).max | (uint256(0xffff) << 192)),
                usableUntil: _earlier(nextUpdate, crl.nextUpdate),
                authoritySerial: _CERTIFICATES.authority(authorityId).serial,
                rootSerials: crl.serials
            });
        }
    }

    /// @dev An authority's item: what it has itself, and what the root CRL says of it and of the signers.
    function _pckCrlItem(
        uint256 pointerAndSize,
        uint256 usableUntil,
        uint160 authoritySerial,
        bytes memory rootSerials
    ) private view returns (uint256 item) {
        item = pointerAndSize | (usableUntil << 160);
        if (rootSerials.length == 0) return item;
        // a revoked root revokes everything below it
        bool isRevoked = RevokedSerials.contains(rootSerials, 0, authoritySerial)
            || RevokedSerials.contains(rootSerials, 0, _ROOT_SERIAL);
        if (isRevoked) item |= 1 << 208;
        for (uint256 index = 1;; ++index) {
            bytes32 signerId = _CERTIFICATES.collateralSignerIdAt(index);
            if (signerId == bytes32(0)) return item;
            if (RevokedSerials.contains(rootSerials, 0, _CERTIFICATES.collateralSigner(signerId).serial)) {
                item |= 1 << (223 + index);
            }
        }
    }

    /* TCB INFO AND QE IDENTITIES */

    /// @inheritdoc ICollateral
    function updateTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signerId) external {
        CollateralSigner memory signer = _requireSignedBy(json, signature, signerId);
        (CollateralHeader memory header, bytes memory packed) = _COLLATERAL_READER.readTcbInfo(json);
        uint256 content = _writeContent(packed);
        _storeItem({subject: _subject(header.fmspc, header.pceId), header: header, content: content, signer: signer});
        emit TcbInfoUpdated({
            fmspc: header.fmspc,
            evaluationNumber: header.evaluationNumber,
            signerId: signerId,
            issuedAt: header.issuedAt,
            nextUpdate: header.nextUpdate,
            json: json,
            signature: signature
        });
    }

    /// @inheritdoc ICollateral
    function updateQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signerId) external {
        CollateralSigner memory signer = _requireSignedBy(json, signature, signerId);
        (CollateralHeader memory header, bytes memory packed) = _COLLATERAL_READER.readQeIdentity(json);
        uint256 content = QeIdentityItem.tryPack(packed);
        if (content == 0) content = _writeContent(packed);
        _storeItem({subject: _QE_IDENTITIES, header: header, content: content, signer: signer});
        emit QeIdentityUpdated({
            evaluationNumber: header.evaluationNumber,
            signerId: signerId,
            issuedAt: header.issuedAt,
            nextUpdate: header.nextUpdate,
            json: json,
            signature: signature
        });
    }

    /// @dev Stores an item under its subject and evaluation number, if it is in force and newer.
    function _storeItem(
        bytes32 subject,
        CollateralHeader memory header,
        uint256 content,
        CollateralSigner memory signer
    ) private {
        uint256 number = header.evaluationNumber;
        if (number > _MAX_NUMBER) revert EvaluationNumberTooHigh(number);
        if (block.timestamp < header.issuedAt || block.timestamp > header.nextUpdate) {
            revert CollateralNotInForce(header.issuedAt, header.nextUpdate);
        }
        bytes32 key = subject | bytes32(number);
        uint256 stored = _items[key];
        _requireNewer(uint32(stored >> 160), header.issuedAt);
        if (stored == 0) _numbers[subject] |= 1 << number;
        uint256 usableUntil = _earlier(header.nextUpdate, signer.expiresAt);
        _items[key] =
            content | (uint256(header.issuedAt) << 160) | (usableUntil << 192) | (uint256(signer.index) << 240);
    }

    /// @dev Stores the content; returns pointer and size at their place in an item.
    function _writeContent(bytes memory packed) private returns (uint256) {
        return uint256(uint160(SSTORE2.write(packed))) | (packed.length << 224);
    }

    /// @dev Reverts unless a stored signer of collateral, neither expired nor revoked, has signed the text.
    function _requireSignedBy(bytes calldata json, bytes calldata signature, bytes32 signerId)
        private
        view
        returns (CollateralSigner memory signer)
    {
        if (signature.length != 64) revert CollateralSignatureLengthInvalid(signature.length);
        signer = _CERTIFICATES.collateralSigner(signerId);
        if (block.timestamp > signer.expiresAt) revert CollateralIssuerExpired(signer.expiresAt);
        (,, bytes memory rootSerials) = _requireRootCrl();
        bool isRevoked = RevokedSerials.contains(rootSerials, 0, signer.serial)
            || RevokedSerials.contains(rootSerials, 0, _ROOT_SERIAL);
        if (isRevoked) revert CollateralIssuerRevoked(signer.serial);
        bool signed = P256Verification.verify({
            native: _NATIVE_P256,
            digest: sha256(json),
            signature: P256Signature({r: uint256(bytes32(signature[0:32])), s: uint256(bytes32(signature[32:64]))}),
            key: P256Key({x: signer.x, y: signer.y})
        });
        if (!signed) revert CollateralSignatureInvalid();
    }

    /* CHECKS */

    /// @dev Reverts unless the CRL names this issuer, is signed by its key, and is in force.
    function _requireSigned(Crl memory crl, bytes32 issuer, P256Key memory key, uint256 expiresAt) private view {
        if (crl.issuer != issuer) revert CrlIssuerMismatch(crl.issuer, issuer);
        if (block.timestamp > expiresAt) revert CollateralIssuerExpired(expiresAt);
        bool signed = P256Verification.verify({
            native: _NATIVE_P256, digest: crl.digest, signature: P256Signature({r: crl.r, s: crl.s}), key: key
        });
        if (!signed) revert CollateralSignatureInvalid();
        if (block.timestamp < crl.thisUpdate || block.timestamp >= crl.nextUpdate) {
            revert CollateralNotInForce(crl.thisUpdate, crl.nextUpdate);
        }
    }

    /// @dev An item of the same time is not newer: replaying one has no effect.
    function _requireNewer(uint256 storedIssuedAt, uint256 issuedAt) private pure {
        if (issuedAt <= storedIssuedAt) revert CollateralNotNewer(storedIssuedAt, issuedAt);
    }

    /// @dev The root CRL; reverts if it is missing or has expired.
    function _requireRootCrl() private view returns (uint256 thisUpdate, uint256 nextUpdate, bytes memory serials) {
        uint256 item = _rootCrl;
        (thisUpdate, nextUpdate) = (uint32(item >> 160), uint32(item >> 192));
        // a missing one has a next update of zero
        if (block.timestamp >= nextUpdate) revert RootCrlMissing();
        uint256 size = uint16(item >> 224);
        if (size != 0) serials = CodeBlob.read(address(uint160(item)), size);
    }

    /* FOR ASSESSMENTS */

    /// @dev What the CRLs say of a certificate of this serial number.
    /// @return isRevoked Whether the authority's CRL lists it, or the root CRL its authority.
    /// @return usableUntil Unix second at which the first of both lists expires; zero: they are not in force.
    /// @return revokedSigners Bit n: the signer of collateral of index n + 1.
    function _revocation(uint256 authorityIndex, uint160 serial, uint256 maxAge)
        internal
        view
        returns (bool isRevoked, uint256 usableUntil, uint256 revokedSigners)
    {
        uint256 item = _pckCrls[authorityIndex];
        if (item == 0) return (false, 0, 0);
        bytes memory crl = CodeBlob.read(address(uint160(item)), (item >> 192) & 0x7fff);
        isRevoked = uint16(item >> 208) != 0
            || (item & _HAS_PAGES == 0
                    ? RevokedSerials.contains(crl, _CRL_HEADER_BYTES, serial)
                    : RevokedSerials.containsInPages(crl, _CRL_HEADER_BYTES, serial));
        usableUntil = uint32(item >> 160);
        if (block.timestamp >= usableUntil || !_isRecent(uint40(bytes5(crl)), maxAge)) usableUntil = 0;
        revokedSigners = item >> 224;
    }

    /// @dev Of the items in force, the one of the lowest evaluation number that the policy allows. A newer set, which
    /// anyone can upload, thus changes nothing while the older one is in force.
    /// @return item See {_items}; zero: there is none.
    /// @return number Its evaluation number.
    /// @return isLowest Whether no stored item of a lower allowed number was skipped because it is not in force any
    /// more, unless it expired more than 60 days ago.
    function _selectItem(bytes32 subject, TcbPolicy memory policy, uint256 revokedSigners)
        internal
        view
        returns (uint256 item, uint256 number, bool isLowest)
    {
        number = policy.minimumEvaluationNumber;
        item = _items[subject | bytes32(number)];
        if (_isInForce(item, policy.maxCollateralAge, revokedSigners)) return (item, number, true);
        return _nextItemInForce(subject, policy, revokedSigners);
    }

    /// @dev An item's content, packed as {CollateralReader} packs it.
    function _contentOf(uint256 item) internal view returns (bytes memory) {
        return CodeBlob.read(address(uint160(item)), uint16(item >> 224));
    }

    /// @dev Whether the item is a QE identity that fits one word; see {QeIdentityItem}.
    function _isPackedIdentity(uint256 item) internal pure returns (bool) {
        return uint16(item >> 224) == 0;
    }

    /// @dev Unix seconds, inclusive.
    function _validUntil(uint256 item) internal pure returns (uint256) {
        return uint32(item >> 192);
    }

    /// @dev The slower part of {_selectItem}: from the policy's minimum upwards.
    function _nextItemInForce(bytes32 subject, TcbPolicy memory policy, uint256 revokedSigners)
        private
        view
        returns (uint256 item, uint256 number, bool isLowest)
    {
        number = policy.minimumEvaluationNumber;
        if (number > _MAX_NUMBER) return (0, 0, false);
        isLowest = true;
        for (uint256 mask = _numbers[subject] >> number; mask != 0; (mask >>= 1, ++number)) {
            if (mask & 1 == 0) continue;
            item = _items[subject | bytes32(number)];
            if (_isInForce(item, policy.maxCollateralAge, revokedSigners)) return (item, number, isLowest);
            if (block.timestamp <= _validUntil(item) + _REMEMBERED) isLowest = false;
        }
        return (0, 0, false);
    }

    function _isInForce(uint256 item, uint256 maxAge, uint256 revokedSigners) private view returns (bool) {
        // an item of zero expired in 1970; a signer's index is counted from 1
        return block.timestamp <= uint32(item >> 192) && _isRecent(uint32(item >> 160), maxAge)
            && revokedSigners & (1 << ((item >> 240) - 1)) == 0;
    }

    /// @dev Whether the policy's maximum age (seconds; zero: none) allows what was issued then.
    function _isRecent(uint256 issuedAt, uint256 maxAge) private view returns (bool) {
        return maxAge == 0 || block.timestamp <= issuedAt + maxAge;
    }

    /// @dev The subject of a TCB info: FMSPC 6 ‖ PCE id 2 ‖ zeros.
    function _subject(bytes6 fmspc, bytes2 pceId) internal pure returns (bytes32) {
        return bytes32(fmspc) | (bytes32(pceId) >> 48);
    }

    /* READING */

    /// @inheritdoc ICollateral
    function rootCrl() external view returns (CollateralItem memory) {
        uint256 item = _rootCrl;
        return _toCollateralItem(item);
    }

    /// @inheritdoc ICollateral
    function pckCrl(bytes32 authorityId)
        external
        view
        returns (CollateralItem memory crl, uint256 usableUntil, bool isRevoked)
    {
        uint256 item = _pckCrls[_CERTIFICATES.authority(authorityId).index];
        if (item == 0) return (crl, 0, false);
        (crl.issuedAt, crl.nextUpdate) = _crlWindow(item);
        crl.packed = item & _HAS_PAGES == 0
            ? SSTORE2.read(address(uint160(item)), _CRL_HEADER_BYTES)
            : RevokedSerials.readPages(SSTORE2.read(address(uint160(item))), _CRL_HEADER_BYTES);
        (usableUntil, isRevoked) = (uint32(item >> 160), uint16(item >> 208) != 0);
    }

    /// @inheritdoc ICollateral
    function longCrls() external view returns (ILongCrls) {
        return _LONG_CRLS;
    }

    /// @inheritdoc ICollateral
    function tcbInfo(bytes6 fmspc, bytes2 pceId, uint256 evaluationNumber)
        external
        view
        returns (CollateralItem memory)
    {
        return _toCollateralItem(_items[_subject(fmspc, pceId) | bytes32(evaluationNumber)]);
    }

    /// @inheritdoc ICollateral
    function qeIdentity(uint256 evaluationNumber) external view returns (CollateralItem memory read) {
        uint256 item = _items[_QE_IDENTITIES | bytes32(evaluationNumber)];
        read = _toCollateralItem(item);
        if (item != 0 && _isPackedIdentity(item)) read.packed = QeIdentityItem.unpack(item);
    }

    /// @inheritdoc ICollateral
    function evaluationNumbers(bytes6 fmspc, bytes2 pceId) external view returns (uint256 mask) {
        return _numbers[_subject(fmspc, pceId)];
    }

    function _toCollateralItem(uint256 item) private view returns (CollateralItem memory read) {
        if (item == 0) return read;
        read.issuedAt = uint32(item >> 160);
        read.nextUpdate = uint32(item >> 192);
        read.packed = CodeBlob.read(address(uint160(item)), uint16(item >> 224));
    }

    /// @dev The dates at the start of an authority's CRL.
    function _crlWindow(uint256 item) private view returns (uint256 issuedAt, uint256 nextUpdate) {
        bytes memory header = CodeBlob.read(address(uint160(item)), _CRL_HEADER_BYTES);
        return (uint40(bytes5(header)), uint40(uint80(bytes10(header))));
    }

    function _earlier(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
