# SPDX-License-Identifier: Apache-2.0
"""Printed results: tables and text for people, JSON for programs."""
