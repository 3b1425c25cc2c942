# SPDX-License-Identifier: Apache-2.0
"""`teetee host`: `app` holds the options, the other modules what the commands do."""
