"""Runs the migrations of the customers service's database."""

from chassis.migrations import run_env
from customers.model import Base

run_env(Base.metadata)
