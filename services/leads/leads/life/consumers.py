"""What the customers service tells of conversions, and the timer that asks it: translate, and leave the rest to the use
cases."""

from datetime import datetime

from chassis.bus.handlers import Received
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from crm.customers.v1 import events_pb2 as customers_pb2

from leads.customer_facts import customer_facts
from leads.life.conversion import Admission, ask, cancel, complete


def follow_admissions(session: ServiceSession, received: Received) -> None:
    """Bring to an end the conversions that the customers service tells of, unless their calls have."""
    match received.name:
        case "LeadAdmitted":
            admitted = received.message(customers_pb2.LeadAdmitted)
            contact_id = parse_optional_name("contacts", admitted.contact, field="contact")
            complete(
                session,
                parse_name("leads", admitted.lead, field="lead"),
                parse_name("leadConversions", admitted.conversion, field="conversion"),
                Admission(customer_facts(admitted.state), contact_id),
            )
        case "LeadNotAdmitted":
            refused = received.message(customers_pb2.LeadNotAdmitted)
            cancel(session, parse_name("leadConversions", refused.conversion, field="conversion"))


def ask_about_conversions(session: ServiceSession, due: datetime) -> bool:
    """Ask what has become of the conversions that nobody waits for any more. Returns whether some are left."""
    return ask(session)
