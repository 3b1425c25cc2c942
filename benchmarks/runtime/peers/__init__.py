# SPDX-License-Identifier: Apache-2.0
"""What TeeTee is compared with: llama.cpp and transformers."""
