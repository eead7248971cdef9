"""Where green threads stand, as they are told to whoever asks."""

import weakref

from chassis.stacks import tell_greenlets
from greenlet import getcurrent, greenlet


class Passing:
    """Something that goes away."""


def test_green_threads_are_told_beside_references_to_what_is_gone(capsys):
    reference = weakref.proxy(Passing())

    def wait_here():
        getcurrent().parent.switch()

    waiting = greenlet(wait_here)
    waiting.switch()
    tell_greenlets()
    waiting.switch()
    assert type(reference) is weakref.ProxyType
    assert "wait_here" in capsys.readouterr().err
