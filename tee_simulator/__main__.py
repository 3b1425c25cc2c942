# SPDX-License-Identifier: Apache-2.0
"""`python -m tee_simulator`."""

import sys

from tee_simulator.command import main

sys.exit(main())
