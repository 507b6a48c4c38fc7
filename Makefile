# Cloakroom's commands. "make" alone lists them.

PORT ?= 8080
DIR ?=
SECONDS ?= 60
TARGETS ?=
KILL_SECONDS ?=
FUZZ_SECONDS ?=
export PORT DIR

.DEFAULT_GOAL := help
.PHONY: help deps build run check test test-all test-lint test-scripts test-rust test-redis test-fuzz test-crash test-phpt mutants test-mutants \
	test-upstream test-bench test-e2e test-adversary test-matrix test-packages install uninstall soak fuzz bench bench-fpm clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install what building, running and testing need and is missing
	@scripts/install-deps build run test

build: ## Build the extension (target/release/libcloakroom.so) and the cloakroom command
	@scripts/install-deps build
	$(if $(PHP_CONFIG),PHP="$$($(PHP_CONFIG) --php-binary)") cargo build --release --workspace

install: ## Install what is built: make install PREFIX=/usr/local PHP_CONFIG=php-config DESTDIR=
	@scripts/install-built

uninstall: ## Remove what "make install" has put there
	@scripts/install-built --uninstall

run: ## Serve the demonstration application until Ctrl-C: make run PORT=8080 DIR=.run
	@scripts/run-demo

check: ## What is worth running after each edit: formatting, clippy, the quick tests (3 minutes at most)
	@scripts/test --check

test: ## Run every suite and print one summary (20 minutes on 2 cores)
	@scripts/test

test-all: ## "make test" and "make test-matrix" as one run, as continuous integration does (35 minutes on 2 cores)
	@scripts/test --all

test-lint: ## Formatting, clippy, floors, documentation, dependencies, scripts
	@scripts/test lint

test-scripts: ## The scripts' own tests
	@scripts/test scripts

test-rust: ## Rust unit, conformance and property tests
	@scripts/test rust

test-redis: ## The Redis store on Redis 7 and Valkey 8: TLS, ACL, Cluster, Sentinel, faults, and from PHP
	@scripts/test redis

test-fuzz: ## Generated input for the fuzz targets, half a minute each
	@scripts/test fuzz

test-crash: ## Processes killed inside the store: a sample of the single steps, and at random
	@scripts/test crash

test-phpt: ## php-tests/*.phpt with PHP's run-tests.php
	@scripts/test phpt

mutants: test-mutants ## Short for test-mutants
test-mutants: ## The .phpt suite against handlers that are broken on purpose: each must be noticed
	@scripts/test mutants

test-upstream: ## php-src's own session tests, with Cloakroom instead of files
	@scripts/test upstream

test-bench: ## A short run of the benchmark that checks what it measures
	@scripts/test bench

test-e2e: ## php-fpm and nginx with concurrent clients, kills, reloads and restarts
	@scripts/test e2e

test-adversary: ## Hostile neighbours: links, pipes and sockets planted by other users (as root, or it says what it skips)
	@scripts/test adversary

test-matrix: ## PHP's tests on PHP 8.4 and on thread-safe debug builds, threads, valgrind (15 minutes at most)
	@scripts/test --matrix

test-packages: ## Debian packages in a fresh Debian 12 and 13, PIE, make install, the release script's checks
	@scripts/test packages

soak: ## Crash tests, fuzzing and valgrind in their long form: make soak KILL_SECONDS=3600 FUZZ_SECONDS=1800
	@CLOAKROOM_KILL_SECONDS=$(KILL_SECONDS) CLOAKROOM_FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/test soak

fuzz: ## Generated input for the fuzz targets: make fuzz SECONDS=60 TARGETS=merge
	@scripts/install-deps build
	@scripts/fuzz $(SECONDS) $(TARGETS)

bench: ## Cycles, fresh processes and hand-overs against other handlers; the engine against LMDB and SQLite; counters
	@scripts/install-deps build bench
	@benches/run
	@benches/run-engine
	@benches/run-counters

bench-fpm: ## Requests through nginx and php-fpm, the same handlers
	@scripts/install-deps build run bench
	@benches/fpm/run.py

clean: ## Remove what was built and what runs left; not ~/.cache/cloakroom, which all checkouts share
	cargo clean
	rm -rf .run
