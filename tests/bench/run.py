"""`make bench`: runs all benchmarks, one after the other, each against a floor in the same run."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = (
    "suite.py",
    "importing.py",
    "allocation.py",
    "lead_assignment.py",
    "claims.py",
    "recycling.py",
    "tiers.py",
    "reminders.py",
    "events.py",
    "capture.py",
    "people.py",
    "sign_in.py",
    "permissions.py",
    "audit.py",
    "search.py",
    "duplicates.py",
)


def main() -> int:
    """Run the benchmarks named on the command line, or all. Returns 1 if one missed a target."""
    chosen = sys.argv[1:] or BENCHES
    missed = []
    for name in chosen:
        print(f"\n{name.removesuffix('.py')}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name)], check=False).returncode:
            missed.append(name)
    print(f"\nmissed a target: {', '.join(missed)}" if missed else "\nall targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
