# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.faults`."""

import sys

from tests.faults.cli import main

if __name__ == "__main__":
    sys.exit(main())
