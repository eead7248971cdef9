"""What must hold for the databases of all services."""

import pytest
from local_suite.layout import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_only_triggers_are_functions(suite, service):
    """What other functions write, the proof that every write is audited would not see."""
    functions = """SELECT proname FROM pg_proc
      WHERE pronamespace = CAST('public' AS regnamespace) AND prorettype <> CAST('trigger' AS regtype)"""
    with suite.database(service) as connection:
        assert connection.execute(functions).fetchall() == []
