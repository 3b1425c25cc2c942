# SPDX-License-Identifier: Apache-2.0
"""The wallet's side of TeeTee: ask, verify, host. `teetee.cli` is a thin layer over this package.

    import os
    from getpass import getpass
    from pathlib import Path

    from teetee.chain.deployment import Deployment
    from teetee.client.client import Client
    from teetee.client.contracts import Contracts
    from teetee.client.keystore import load_account
    from teetee.client.requests.await_answer import Answered
    from teetee.client.requests.pending_requests import PendingRequests
    from teetee.client.requests.request_spec import RequestSpec
    from teetee.client.verification.quote_check import PccsCollateral, QuoteCheck

    deployment = Deployment.load(Path("deployments/base-local.json"))
    contracts = Contracts.connect(deployment, ["http://127.0.0.1:8545"])
    quotes = QuoteCheck(
        contracts.certificates,
        PccsCollateral("https://api.trustedservices.intel.com"),
        root_fingerprint=deployment.root_ca_fingerprint,
    )
    account = load_account(None, os.environ, getpass)
    pending = PendingRequests()
    client = Client(contracts, account, quotes=quotes, verification_quotes=quotes, pending=pending)
    offer = client.prepare_offer(RequestSpec("Why is the sky blue?", max_tokens=64))
    opened = client.open_request(offer)
    outcome = client.await_answer(opened)
    if isinstance(outcome, Answered):
        print(outcome.answer.text)
    print(client.verify(outcome.request_id).verified)
    client.forget(opened)

The other public parts: `verification.verify_request` (needs no wallet), `hosting.hosting.Hosting`,
`shard_listing`, `amounts`, `times`. `errors` lists what they raise. From the top: `client`;
`requests` and `hosting`, which do not know each other; `verification`; the other modules here.
"""
