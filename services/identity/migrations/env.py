"""Runs the migrations of the identity service's database."""

from chassis.migrations import run_env
from identity.model import Base

run_env(Base.metadata)
