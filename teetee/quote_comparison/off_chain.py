# SPDX-License-Identifier: Apache-2.0
"""dcap-qvl's verdict, exactly as it gives it.

`teetee.quotes.verification`, which wallets use, is stricter.
"""

from typing import Final

import dcap_qvl

from teetee.errors import TeeTeeError
from teetee.quote_comparison.verdict import OffChainVerdict
from teetee.quotes.collateral.folder import CollateralSet

_PREFIX: Final = "Verification failed: "
_PANIC: Final = "PanicException"
_END_OF_TIME: Final = 1 << 63


def verify_off_chain(quote: bytes, collateral: CollateralSet, at: int) -> OffChainVerdict:
    """At Unix time `at`, up to the collateral's root."""
    if not 0 <= at < _END_OF_TIME:
        return OffChainVerdict.refused(f"not a Unix time: {at}")
    try:
        parts = collateral.as_collateral().to_dcap_qvl()
        report = dcap_qvl.verify_with_root_ca(quote, parts, collateral.root, at)
    except TeeTeeError as error:
        return OffChainVerdict.refused(str(error))
    except (ValueError, OverflowError, TypeError) as error:
        return OffChainVerdict.refused(str(error).removeprefix(_PREFIX) or type(error).__name__)
    except BaseException as error:
        # A panic of the Rust library is not an Exception; on hostile bytes it is a refusal.
        if type(error).__name__ != _PANIC:
            raise
        return OffChainVerdict.refused("dcap-qvl panicked")
    return OffChainVerdict(ok=True, status=report.status, advisory_ids=tuple(report.advisory_ids))
