# SPDX-License-Identifier: Apache-2.0
"""Runs a prompt over a path of shards for any caller: an on-chain request today, a session or an
HTTP API next. It knows no envelope, no escrow and no request record.

A caller holds a slot of `admission.Admission`, turns messages into token ids with
`inference.Inference.encode`, and passes a `job.InferenceJob` to `Inference.run`. It receives pieces
of text through a callback and, at the end, a `job.Completion` with the receipts of all stages. The
errors in `errors` are the caller's to map: to decline reasons, or to HTTP statuses. `live_text`
keeps the text of running jobs for listeners; `paths` chooses the shards.
"""
