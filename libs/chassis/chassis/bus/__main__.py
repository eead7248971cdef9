"""`python -m chassis.bus <service>…`: the `work` process. It patches itself before it imports anything else."""

# ruff: noqa: E402
import gc
import os
import sys
import warnings

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"  # else the driver's own loop would block all green threads
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # names are resolved as in every other process

gc.disable()  # until all is imported, which stays: looking for garbage in it is a seventh of the start

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # known, and decided: docs/architecture
    import eventlet

eventlet.monkey_patch()

from chassis.bus.worker import main

if __name__ == "__main__":
    main(sys.argv[1:])
