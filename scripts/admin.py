# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …`: changes by the holders of roles, and views of a deployment for everyone."""

# Each module adds its commands to the group; their order is that of `--help`.
# isort: off
import administration.commands.views
import administration.commands.model_commands
import administration.commands.policy_commands
import administration.commands.platform_commands
import administration.commands.request_commands
import administration.commands.role_commands  # noqa: F401

# isort: on
from administration.commands.group import cli

__all__ = ["cli"]
