# SPDX-License-Identifier: MIT
"""The cases of all rules."""

from tests.unit.rules import (
    compiled_cases,
    data_cases,
    files_cases,
    history_cases,
    host_cases,
    kernel_cases,
    manifest_cases,
    module_cases,
    needs_cases,
    shadowed_cases,
    source_cases,
    symbols_cases,
    workload_cases,
)
from tests.unit.rules.cases import AnyCase

CASES: tuple[AnyCase, ...] = (
    *manifest_cases.CASES,
    *needs_cases.CASES,
    *data_cases.CASES,
    *files_cases.CASES,
    *workload_cases.CASES,
    *source_cases.CASES,
    *shadowed_cases.CASES,
    *symbols_cases.CASES,
    *history_cases.CASES,
    *kernel_cases.KERNEL_CASES,
    *symbols_cases.KERNEL_CASES,
    *kernel_cases.TARGET_CASES,
    *kernel_cases.PLAN_CASES,
    *compiled_cases.CASES,
    *module_cases.CASES,
    *host_cases.CASES,
)
