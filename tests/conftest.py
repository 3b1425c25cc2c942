# SPDX-License-Identifier: Apache-2.0
"""What all Python tests share: how hard hypothesis tries, which suite needs which environment.

HYPOTHESIS_PROFILE=thorough searches a hundred times longer than the default.
"""

import os
from importlib.util import find_spec

from hypothesis import settings

# No deadline: two cores shared by many processes make single examples slow now and then.
# Derandomized: whether a commit passes must not depend on luck. `thorough` rolls the dice.
settings.register_profile("default", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# The contract tests need ape, which has an environment of its own: `make test-ape`.
collect_ignore = [] if find_spec("ape") else ["contracts"]
