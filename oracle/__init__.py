# SPDX-License-Identifier: Apache-2.0
"""The process inside every enclave. It alone connects the chain to the shard runtime.

It knows settings, registry and escrow state, which requests are this shard's, the journal, and the
two endpoints. It does not know tensors (`shard_runtime`), byte formats and ABIs (`teetee`), or how
enclaves are made (`tee_simulator`, dstack).

The process of an entry shard watches the escrow and answers requests; every other process serves
its stage and follows the registry. Plaintext exists only in the memory of this process, and only
while a request runs.
"""
