# SPDX-License-Identifier: MIT
"""What `simulate` reports: verdicts, predictions, and the HTML report of both."""
