"""`python -m local_suite.sample`: brings the sample company into the suite that the environment points at."""

import argparse

from local_suite.client import SuiteClient, Targets
from local_suite.sample.load import Plan, load


def main() -> None:
    """Load the sample company."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m local_suite.sample", description=__doc__)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--customers", type=int, default=plan.customers)
    parser.add_argument("--follow-ups", type=int, default=plan.follow_ups)
    chosen = parser.parse_args()
    load(SuiteClient(Targets.here()), Plan(chosen.seed, chosen.customers, chosen.follow_ups))


if __name__ == "__main__":
    main()
