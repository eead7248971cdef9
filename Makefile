# Runs, checks and builds the suite. Every target first installs what is missing into .venv.
# Settings are given on the command line: `make up SPLIT=1 PORT=9000 RUN_DIR=/tmp/second`.

PYTHON ?= python3
RUN := $(PYTHON) deploy/local/bootstrap.py run

.DEFAULT_GOAL := help
.PHONY: help up down restart status logs reset demo trace test test-deploy test-images test-cluster images lint bench gen charts features lock release-contracts

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  Settings: SPLIT=1 each process by itself, PORT= of the gateway, HOST= it listens on, RUN_DIR= folder of the"
	@echo "  state, SAMPLE=0 no sample company, TEST_CLOCK=1 clients may move the time, AMQP_URL= and DATABASE_URL_<SERVICE>="
	@echo "  servers that run already, PYTHON= the interpreter to install with."

up: ## Start everything and load the sample company; print where it is and how to log in
	@$(RUN) crm up

down: ## Stop everything
	@$(RUN) crm down

restart: ## Start the suite's own processes again, with the code as it is now
	@$(RUN) crm restart

status: ## Show what runs, whether it is ready, and how much memory it takes
	@$(RUN) crm status

logs: ## Print the ends of the logs (FOLLOW=1 keeps printing, PROCESS= only that one)
	@$(RUN) crm logs $(PROCESS)

reset: ## Stop everything and delete all data
	@$(RUN) crm reset

demo: ## Tell the story of the main job with real calls and their answers
	@$(RUN) python -m local_suite.demo

trace: ## List the latest traces, or show one as a tree (ID=)
	@$(RUN) crm trace $(ID)

test: lint ## Run all checks and all tests
	@$(RUN) python -m local_suite.checks test

test-deploy: ## Run the tests of charts, rules and skaffold alone
	@$(RUN) python -m pytest -q tests/deploy

images: ## Build the image of each part and print its size (PARTS="identity leads")
	@$(RUN) python -m local_suite.images $(PARTS)

test-images: ## Build the images and test what is in them
	@IMAGE_TESTS=1 $(RUN) python -m pytest -q -s tests/images

test-cluster: ## Test the images and charts on a real Kubernetes
	@$(RUN) python tests/cluster/run.py $(PYTEST)

lint: ## Run the checks that need no database
	@$(RUN) python -m local_suite.checks lint

bench: ## Measure, against a floor in the same run
	@$(RUN) python tests/bench/run.py

gen: ## Generate code from the contracts, and the gateway's schema
	@$(RUN) python libs/protos/generate.py
	@$(RUN) python -m gateway.schema --write

charts: ## Generate the schemas of the charts' values, and the committed renders
	@$(RUN) python -m local_suite.charts

features: ## Show the feature catalogue with the tests of each row and how they last went
	@$(RUN) python -m local_suite.features

lock: ## Resolve the requirements anew
	@for name in tools runtime dev; do $(RUN) uv pip compile --quiet --upgrade --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate --python-version 3.11 requirements/$$name.in -o requirements/$$name.lock; done
	@$(RUN) uv pip compile --quiet --upgrade --no-deps --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --python-version 3.11 requirements/deploy.in -o requirements/deploy.lock

release-contracts: ## Promise the contracts as they are: from now on `make lint` refuses breaking changes
	@$(RUN) buf build -o protos/released.binpb
