"""The kinds of checks: one file per family, each with its list."""

from reports.audit.checks import (
    arithmetic,
    correlation,
    designs,
    granularity,
    reading,
    sameness,
    samples,
    statistic,
    summaries,
)
from reports.audit.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *statistic.CHECKS,
    *samples.CHECKS,
    *designs.CHECKS,
    *correlation.CHECKS,
    *arithmetic.CHECKS,
    *summaries.CHECKS,
    *sameness.CHECKS,
    *granularity.CHECKS,
    *reading.CHECKS,
)
"""All, in the order of the documentation."""
