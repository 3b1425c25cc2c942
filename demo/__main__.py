# SPDX-License-Identifier: Apache-2.0
"""`python -m demo`, which is what `make demo` runs."""

import sys

from demo.command import main

sys.exit(main())
