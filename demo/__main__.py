# SPDX-License-Identifier: Apache-2.0
"""`python -m demo`, which `make demo`, `make world` and `make host` run."""

import sys

from demo.commands.main import main

sys.exit(main())
