# SPDX-License-Identifier: Apache-2.0
"""`teetee verify`: checks a request, its shards and its payments from what the chain holds."""
