"""Long work on a user's behalf, such as imports and exports, done by processes of its own.

A job is a row. `work` starts a process for the jobs that wait (`supervisor`); the process holds an advisory lock
while it works on one (`run`) and commits its effects together with a checkpoint, so that a job whose process dies
goes on where it stood, with nothing lost or doubled.
"""

from chassis.jobs.files import has_file, read_file, store_file
from chassis.jobs.model import Job, JobError, JobState
from chassis.jobs.running import Cancelled, JobKind, JobRun, RefusedRow
from chassis.jobs.store import cancel_job, create_job, first_refused, get_job, purge, refused_rows, visible_jobs
from chassis.jobs.supervisor import Supervisor, supervise
from chassis.jobs.waiting import waiting_jobs

__all__ = [
    "Cancelled",
    "Job",
    "JobError",
    "JobKind",
    "JobRun",
    "JobState",
    "RefusedRow",
    "Supervisor",
    "cancel_job",
    "create_job",
    "first_refused",
    "get_job",
    "has_file",
    "purge",
    "read_file",
    "refused_rows",
    "store_file",
    "supervise",
    "visible_jobs",
    "waiting_jobs",
]
