"""`python -m local_suite.sample`: brings the sample company into the suite that the environment points at."""

import argparse
import os
import sys

from local_suite.sample.load import Plan, Targets, load


def main() -> int:
    """Load the sample company."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m local_suite.sample", description=__doc__)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--customers", type=int, default=plan.customers)
    parser.add_argument("--follow-ups", type=int, default=plan.follow_ups)
    chosen = parser.parse_args()
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        sys.stderr.write(f"set {', '.join(missing)}; `crm env` prints them for the suite that runs here\n")
        return 2
    targets = Targets(**{field: os.environ[name] for name, field in VARIABLES.items()})
    load(targets, Plan(chosen.seed, chosen.customers, chosen.follow_ups))
    return 0


VARIABLES = {
    "IDENTITY_TARGET": "identity",
    "CUSTOMERS_TARGET": "customers",
    "LEADS_TARGET": "leads",
    "BOOTSTRAP_ADMIN_PASSWORD": "admin_password",
    "SAMPLE_PASSWORD": "people_password",
}

if __name__ == "__main__":
    sys.exit(main())
