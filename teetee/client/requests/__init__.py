# SPDX-License-Identifier: Apache-2.0
"""A request from question to answer: price, recipients, sealing, payment, stream, answer."""
