# Everything a developer does here, each in one command. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Where `make run` listens.
PORT ?= 8000

# cargo-deny and cargo-machete, at these versions: those on the PATH are used if they fit, else they are built once,
# unoptimized, because they run for a second and their release builds take minutes.
CARGO_DENY := cargo-deny@0.20.2
CARGO_MACHETE := cargo-machete@0.9.2

export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z.\/-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: runtime ## build and serve with the shipped model on http://127.0.0.1:8000 (PORT=…)
	cargo build --release --locked
	@echo
	@echo "  http://127.0.0.1:$(PORT)/docs to try it, http://127.0.0.1:$(PORT)/health for its state; Ctrl-C stops it"
	@echo
	@export ENVIRONMENT=$${ENVIRONMENT:-development} PORT=$(PORT) \
	    FRAUD_HTTP__HOST=$${FRAUD_HTTP__HOST:-127.0.0.1} \
	    FRAUD_PRIVACY__KEY=$${FRAUD_PRIVACY__KEY:-for-development-only} \
	    FRAUD_SHUTDOWN__DRAIN_DELAY=$${FRAUD_SHUTDOWN__DRAIN_DELAY:-0s}; \
	exec target/release/fraud-detection serve

.PHONY: runtime
runtime: ## fetch ONNX Runtime's library, pinned and hash-checked (done by the others as needed)
	@library=$$(deploy/fetch-onnxruntime.sh) && ln -sfn "$${library#"$(CURDIR)/.runtime/"}" .runtime/libonnxruntime.so

.PHONY: test
test: runtime .venv/ready ## run every test; the Java client's where a JDK and Maven are (CI_JAVA=required: fail where not)
	cargo test --workspace --locked
	.venv/bin/python -m pytest -q -p no:cacheprovider models/training
	@$(MAKE) --no-print-directory test-java

# The Java client against the binary that cargo has just built. `java` on the PATH may be a runtime without a compiler.
.PHONY: test-java
test-java: runtime ## run the tests of clients/spring-boot against the real service (JDK 17 or later, Maven)
	@if command -v javac >/dev/null && command -v mvn >/dev/null; then \
	    cargo build --locked && \
	    mvn --batch-mode --no-transfer-progress --file clients/spring-boot/pom.xml verify \
	        -Dfraud-detection.binary=target/debug/fraud-detection; \
	elif [ "$${CI_JAVA:-}" = required ]; then \
	    echo "error: no JDK (javac) or no Maven (mvn) on the PATH, and CI_JAVA=required" >&2; exit 1; \
	else \
	    echo "WARNING: the Java client was NOT tested: no JDK (javac) or no Maven (mvn) on the PATH (CI_JAVA=required makes this an error)" >&2; \
	fi

# A version of the models folder, from scratch. DATA= names labelled transactions (CSV, NDJSON or Parquet); without it
# they are simulated. TRAIN= passes further arguments on, such as `--test-from 2026-05-01`.
VERSION ?= v1.0
SIMULATE ?= --seed 1 --cards 2500 --days 365
TRAIN ?=

.PHONY: train
train: runtime .venv/ready ## train a model: from simulated transactions, or DATA=file OUT=folder (VERSION=… TRAIN=…)
	$(if $(DATA),$(if $(OUT),,$(error make train DATA=… needs OUT=folder: it must not replace the shipped model)))
	cargo build --release --locked
	.venv/bin/python models/training/train.py --binary target/release/fraud-detection --version "$(VERSION)" \
	    --output "$(or $(OUT),models)" $(if $(DATA),--data "$(DATA)",--simulate "$(SIMULATE)") $(TRAIN)
	target/release/fraud-detection verify-model "$(or $(OUT),models)/$(VERSION)"

# By the system's own pip: some distributions ship a venv that cannot install one.
.venv/ready: models/training/requirements.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python3 must be 3.11 or later for training")'
	python3 -m venv --without-pip .venv
	python3 -m pip --python .venv/bin/python install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: demo
demo: runtime ## serve the shipped model, replay labelled transactions, print latencies and the confusion table
	cargo build --release --locked
	@bash tests/demo.sh target/release/fraud-detection .data/demo

.PHONY: demo-java
demo-java: runtime ## serve, start the core-banking example beside it, and send it transactions (JDK 17 or later, Maven)
	cargo build --release --locked
	mvn --batch-mode --no-transfer-progress --quiet --file clients/spring-boot/pom.xml package -DskipTests
	@bash clients/spring-boot/demo.sh target/release/fraud-detection .data/demo-java

.PHONY: lint
lint: format-check clippy doc deny machete ## formatting, clippy, documentation, licences and advisories, unused dependencies

.PHONY: format-check
format-check:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: doc
doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, duplicates and sources need no network. Known vulnerabilities need RustSec's database: without it that check
# is left out, loudly, unless CI_ADVISORIES=required.
.PHONY: deny
deny: tools
	cargo-deny --locked check bans licenses sources
	@if cargo-deny --locked fetch db; then \
	    cargo-deny --locked check advisories; \
	elif [ "$${CI_ADVISORIES:-}" = required ]; then \
	    echo "error: RustSec's advisory database cannot be fetched, and CI_ADVISORIES=required" >&2; exit 1; \
	else \
	    echo "WARNING: advisories NOT checked: RustSec's database cannot be fetched (CI_ADVISORIES=required makes this an error)" >&2; \
	fi

.PHONY: machete
machete: tools
	cargo-machete

.PHONY: tools
tools:
	@for tool in $(CARGO_DENY) $(CARGO_MACHETE); do \
	    name=$${tool%@*} version=$${tool#*@}; \
	    case " $$("$$name" --version 2>/dev/null || true) " in \
	        *" $$version "*) ;; \
	        *) cargo install --locked --debug --root .tools --version "=$$version" "$$name" ;; \
	    esac; \
	done

# With as many users as the budget names; the histories take about 2 GB.
MICRO_USERS ?= 1000000

.PHONY: bench
bench: ## measure the steps of a prediction and write benches/RESULTS.md (MICRO_USERS=…)
	@mkdir -p .data
	rm -rf target/criterion
	MICRO_USERS=$(MICRO_USERS) cargo bench --locked --bench micro | tee .data/bench.txt
	@python3 benches/results.py .data/bench.txt

.PHONY: docs/openapi.json
docs/openapi.json: ## write the API's contract anew from the code
	UPDATE_OPENAPI=1 cargo test --locked openapi

.PHONY: clean
clean: ## remove everything that was built, fetched or generated
	rm -rf target .runtime .tools .venv .data clients/spring-boot/*/target
