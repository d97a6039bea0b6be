# `make help` lists the targets. `demo` and `build` need only Go.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export CGO_ENABLED := 0
GO ?= go

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Run everything in one process and print its URL
	$(GO) run ./cmd/timbre demo

.PHONY: build
build: ## Build bin/timbre
	$(GO) build -trimpath -ldflags='-s -w' -o bin/timbre ./cmd/timbre

.PHONY: deps
deps: ## Install the Debian packages that the tests need, or list them
	@./scripts/deps

# The packages that run the finished program, browsers and clients beside it. They have the machine for themselves: a
# wait that is long enough there is too short beside other tests.
WHOLE = $$($(GO) list ./... | grep -E '/internal/(bench|e2e)(/|$$)')
WITHIN = $$($(GO) list ./... | grep -vE '/internal/(bench|e2e)(/|$$)')

.PHONY: test
test: deps ## Run all tests: Go, TypeScript, browser, both databases
	npm ci --no-audit --no-fund --loglevel=error
	npm run --silent typecheck
	npm run --silent test
	$(GO) -C tools/s3 tool -n versitygw >/dev/null
	$(GO) -C tools/tlog tool -n fsck >/dev/null
	$(GO) -C tools/witness tool -n litewitness >/dev/null
	TIMBRE_TEST_ALL=1 $(GO) test -timeout 40m $(WITHIN)
	TIMBRE_TEST_ALL=1 $(GO) test -timeout 60m -p 1 $(WHOLE)
	TIMBRE_TEST_ALL=1 $(GO) -C proof test -timeout 10m ./...
	$(GO) -C client test -timeout 10m ./...
	$(GO) -C tools/release test -timeout 10m ./...
	$(GO) -C tools/deploy test -timeout 10m ./...

# The packages whose tests need no browser and finish soon. internal/e2e runs the finished program, internal/bench
# measures, internal/media reads thousands of damaged recordings, and verify/build runs a browser's script on thousands
# of documents.
FAST = $$($(GO) list ./... | grep -vE '/internal/(e2e|bench|media)(/|$$)|/verify/build$$')

.PHONY: test-fast
test-fast: ## Run the Go tests that need no browser and no Postgres; tests that lack a program say so
	TIMBRE_TEST_DATABASES=sqlite $(GO) test -timeout 10m $(FAST)
	$(GO) -C proof test -timeout 10m ./...
	$(GO) -C client test -timeout 10m ./...

.PHONY: chaos
chaos: deps ## Register SONGS (default 10000) while everything fails at random (SEED=n repeats a run)
	$(GO) -C tools/s3 tool -n versitygw >/dev/null
	TIMBRE_CHAOS_SONGS=$(or $(SONGS),10000) TIMBRE_CHAOS_SEED=$(SEED) $(GO) test -timeout 6h -v ./internal/e2e/chaos

.PHONY: large
large: deps ## Upload 300 MiB from two browsers to both stores, through everything that goes wrong on the way
	$(GO) -C tools/s3 tool -n versitygw >/dev/null
	TIMBRE_TEST_LARGE=314572800 $(GO) test -timeout 30m -v ./internal/e2e -run 'TestLargeFile|TestMemoryOfParts'

# The race detector makes tests about ten times slower. These packages finish in ten minutes on two cores. For another
# one: make race RACE=./internal/registry, which takes longer.
RACE = $$($(GO) list ./... | grep -vE '/internal/(api|bench|certificate|e2e|media|registry)(/|$$)|/(verify|widget)(/|$$)|/cmd/timbre$$')

.PHONY: race
race: deps ## Run tests with the race detector, on SQLite
	CGO_ENABLED=1 TIMBRE_TEST_DATABASES=sqlite $(GO) test -race -timeout 30m $(RACE)
	CGO_ENABLED=1 $(GO) -C proof test -race -timeout 10m ./...
	CGO_ENABLED=1 $(GO) -C client test -race -timeout 10m ./...

.PHONY: lint
lint: ## Run golangci-lint on each module; the first run builds it
	$(GO) -C tools/lint build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...
	cd proof && ../bin/golangci-lint run ./...
	cd client && ../bin/golangci-lint run ./...
	cd examples/go && ../../bin/golangci-lint run ./...
	cd tools && ../bin/golangci-lint run ./words/... ./operations/...
	cd tools/release && ../../bin/golangci-lint run ./...
	cd tools/deploy && ../../bin/golangci-lint run ./...

.PHONY: check
check: ## Check the format, run vet, and check that generated files are current
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt'; exit 1; }
	$(GO) -C tools run ./words ..
	$(GO) vet ./...
	$(GO) vet -tags crashpoints ./...
	$(GO) -C examples/go vet ./...
	$(GO) mod tidy -diff
	$(GO) -C proof vet ./...
	$(GO) -C proof mod tidy -diff
	$(GO) -C client vet ./...
	$(GO) -C client mod tidy -diff
	$(GO) -C tools/s3 mod tidy -diff
	$(GO) -C tools/tlog mod tidy -diff
	$(GO) -C tools/release mod tidy -diff
	$(GO) -C tools/lint mod tidy -diff
	$(GO) -C tools/release vet ./...
	$(GO) -C tools/deploy mod tidy -diff
	$(GO) -C tools/deploy vet ./...
	$(GO) -C tools run ./operations ..
	$(GO) run ./internal/fault/gen -check -root .
	$(GO) run ./internal/store/lock -check
	npm ci --no-audit --no-fund --loglevel=error
	npm run --silent lint
	$(GO) run ./web/ui -check
	$(GO) run ./widget/build -check
	$(GO) run ./widget/lock -check
	$(GO) run ./packages/build -check
	$(GO) run ./verify/build -check
	$(GO) run ./internal/console/build -check
	$(GO) -C tools tool sqlc diff -f ../internal/store/sqlc.yaml

.PHONY: cut
cut: ## Prepare the tree for a release: changelog and locks (VERSION=1.2.3)
	@./scripts/cut '$(VERSION)'

.PHONY: release
release: ## Build archives, packages, image, Go modules and checksums into release/ (VERSION=1.2.3; MODULE=the path of the modules)
	npm ci --no-audit --no-fund --loglevel=error
	$(GO) -C tools/release run . -root ../.. $(if $(VERSION),-version $(VERSION)) $(if $(MODULE),-module $(MODULE))

.PHONY: migration
migration: ## Create the file of the next migration (NAME=add_colour)
	@$(GO) run ./internal/store/lock -new '$(NAME)'

.PHONY: generate
generate: ## Regenerate all generated files: codes, migration lock, queries, widget, page, console
	$(GO) generate ./internal/fault
	$(GO) run ./internal/store/lock
	$(GO) -C tools tool sqlc generate -f ../internal/store/sqlc.yaml
	npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./web/ui
	$(GO) run ./widget/build
	$(GO) run ./packages/build
	$(GO) run ./verify/build
	$(GO) run ./internal/console/build

.PHONY: bench
bench: ## Measure, and compare with the minimum cost; print a table and write bench.json
	$(GO) run ./internal/bench -json bench.json

.PHONY: capacity
capacity: ## Measure the cost of a registration, and write docs/capacity.md
	$(GO) run ./internal/bench -only cost -json internal/bench/capacity/measured.json
	$(GO) run ./internal/bench/capacity -write docs/capacity.md

.PHONY: fuzz
fuzz: ## Fuzz each decoder for FUZZTIME (default 30s)
	@./scripts/fuzz
