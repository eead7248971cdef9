"""Who leaves hands over all that services say they hand over: identity waits for each kind of records and takes rules
for it, and the gateway knows by which fields it is filtered."""

from importlib import import_module

from gateway.operations.offboarding import RECORDS
from identity.succession import SERVICES as ENTITIES
from local_suite.layout import SERVICES


def test_every_kind_of_records_that_a_service_hands_over_is_known_to_all():
    described = [import_module(f"{name}.main").SERVICE for name in SERVICES]
    handed_over = {entity.name: one.name for one in described if one.handover for entity in one.handover.entities}
    assert dict(ENTITIES) == handed_over
    assert RECORDS.keys() == handed_over.keys()
