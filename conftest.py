pytest_plugins = ["local_suite.features"]
