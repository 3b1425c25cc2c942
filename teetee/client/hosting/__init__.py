# SPDX-License-Identifier: Apache-2.0
"""A host's side: enrolment, renewal, earnings."""
