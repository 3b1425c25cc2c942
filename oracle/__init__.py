# SPDX-License-Identifier: Apache-2.0
"""The process inside every enclave: it alone joins the chain and the shard runtime.

Knows: settings, registry and escrow state, which requests are this shard's, the journal, the two
JSON endpoints. Does not know: tensors (`shard_runtime`), byte formats and ABIs (`teetee`), how
enclaves are made (`tee_simulator`, dstack).

An entry shard's process watches the escrow and runs requests; any other only serves its stage and
follows the registry. Plaintext lives in this process's memory while a request runs, and nowhere
else.
"""
