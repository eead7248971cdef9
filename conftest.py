# The folder `gateway/` bears the name of the package in it. Tests are imported by their paths, which would make the
# folder a package of its own and hide the real one, unless that is there first.
import gateway  # noqa: F401

pytest_plugins = ["local_suite.features"]
