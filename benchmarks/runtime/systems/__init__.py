# SPDX-License-Identifier: Apache-2.0
"""The systems under test: TeeTee's ring of stages, llama.cpp, transformers."""
