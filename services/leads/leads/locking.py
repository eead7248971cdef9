"""The order in which transactions lock, so that no two ever wait for each other.

Whoever locks several of these locks them in this order, and rows of one kind in the order of their ids:

1. by name: the rules of automation, then the assignment of leads (`leads.assignment.deciding.alone`);
2. the organisation, against changes (`stand_still`);
3. users, against changes (`leads.owners.find_owner`, `leads.plans.people.find_people`);
4. customers;
5. leads, and after them what belongs to one: its conversion, decisions, submissions;
6. tasks, plans and visits;
7. people's calendars, by name (`leads.plans.conflicts.hold_people`), and after them participants;
8. rules of automation that are stopped.

Changes of the organisation go the same way: users, then customers, leads and work that move with them. Whoever cannot
know which users it will come to, as it does much in one transaction, begins with `stand_still`: then none of them is
being changed, and locking one later waits for nobody.

One pair has no order: what companies and people are known by (`leads.duplicates.one_at_a_time`) is locked before leads
by what brings leads in, which finds them by it, and after a lead by what changes that lead, as it is known only then.
Where two such meet over one company, PostgreSQL ends one of them, which is run again (`chassis.calls`,
`chassis.bus.faults`, and jobs from their checkpoint).
"""

from chassis import locks
from chassis.db import ServiceSession


def stand_still(session: ServiceSession) -> None:
    """Let nobody move, join or leave until the transaction ends. To be called before anything is locked that belongs
    to somebody."""
    locks.share(session, "organisation")


def change_organisation(session: ServiceSession) -> None:
    """Let no two changes of the organisation miss each other: each would rewrite paths by what it saw."""
    locks.hold(session, "organisation")
