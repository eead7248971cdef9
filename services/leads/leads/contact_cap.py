"""Keeps theatres (战区) from crowding a company: how often others may have been in touch with it within a day.

A contact counts by the theatre that it comes from: the nearest department that is one at or above the author's, else
the author's department itself, else the author. It counts for the company, whatever records of it theatres keep, by
whatever channel, with its leads included: records are one company with the same credit code or, unless both bear one,
with the same core of the name. A theatre's own contacts do not count against it, so that it logs all that it does.
"""

from chassis.errors import Exhausted

from leads.history import History, moments
from leads.model import FollowUp


def refuse_beyond_cap(follow_up: FollowUp, history: History, cap: int) -> None:
    """Raise Exhausted CONTACT_CAP_REACHED if other theatres are in touch with the company as often as the rules allow
    in the 24 hours up to the follow-up, or up to the next contact that it plans. What others did is not told.
    """
    for field, moment in moments(follow_up).items():
        if history.contacts[follow_up.subject_id, moment] >= cap:
            message = "this company has been contacted as often as it should be within 24 hours: choose a later time"
            raise Exhausted("CONTACT_CAP_REACHED", message, field=field)
