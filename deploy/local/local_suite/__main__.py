"""`python -m local_suite` is `crm`."""

from local_suite.cli import main

if __name__ == "__main__":
    main()
