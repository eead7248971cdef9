"""Runs the migrations of the leads service's database."""

from chassis.migrations import run_env
from leads.model import Base

run_env(Base.metadata)
