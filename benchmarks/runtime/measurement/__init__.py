# SPDX-License-Identifier: Apache-2.0
"""What a measurement is: the workload, the system under test, the sample."""
