"""Where a process stands: `kill -USR1` makes it write the stacks of all its threads to its log, and it goes on.

Plain text, not JSON: it is written also when no Python code can run any more, as in a deadlock. Stacks hold names of
functions and lines, no values.
"""

import faulthandler
import gc
import signal
import sys
import traceback

SIGNAL = signal.SIGUSR1
_STANDARD_ERROR = 2


def tell_when_asked(*, chain: bool = False) -> None:
    """From now on, write the stacks of all threads to standard error whenever the signal comes. With `chain`, the
    handler in Python that the signal had before is called as well."""
    faulthandler.register(SIGNAL, file=_STANDARD_ERROR, all_threads=True, chain=chain)


def tell_greenlets() -> None:
    """Write the stacks of all green threads but the present one, which those of the threads do not show."""
    from greenlet import greenlet

    # By its type, as references to what is gone refuse to be asked for their class.
    waiting = [each for each in gc.get_objects() if issubclass(type(each), greenlet) and each.gr_frame is not None]
    for each in waiting:
        print(f"\nGreen thread {id(each):#x} (most recent call last):", file=sys.stderr)
        traceback.print_stack(each.gr_frame, file=sys.stderr)
    sys.stderr.flush()
