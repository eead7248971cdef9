"""Customers in and out of the archive by file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chassis.jobs import JobKind

if TYPE_CHECKING:
    from chassis.service import Runtime

__all__ = ["job_kinds"]


def job_kinds(runtime: "Runtime") -> Sequence[JobKind]:
    """The jobs of this service."""
    from customers.transfer.exporting import run_export
    from customers.transfer.importing import run_import

    return (JobKind("importJobs", run_import), JobKind("exportJobs", run_export))
