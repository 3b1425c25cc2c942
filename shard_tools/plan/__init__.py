# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools plan`: decides which host serves which layers.

`hosts_json` reads the hosts file; `demand`, `search` and `shard_plan` compute the plan and are
pure; `report` prints it. Only `measure` runs code on the machine and reads a clock.
"""
