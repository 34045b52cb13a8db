# SPDX-License-Identifier: MIT
"""What lppack costs: `invoke bench NAME`."""
