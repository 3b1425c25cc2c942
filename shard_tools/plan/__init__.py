# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools plan`: which host serves which layers.

Reading (`hosts_json`), thinking (`demand`, `search`, `placing`: pure) and printing (`report`) are
apart; `measure` alone has a clock.
"""
