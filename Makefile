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

.PHONY: test
test: deps ## Run all tests: Go, TypeScript, browser, both databases
	cd widget && npm ci --no-audit --no-fund --loglevel=error && npm run --silent typecheck && npm run --silent test
	cd verify && npm ci --no-audit --no-fund --loglevel=error && npm run --silent typecheck && npm run --silent test
	cd internal/e2e && npm ci --no-audit --no-fund --loglevel=error
	$(GO) -C tools/s3 tool -n versitygw >/dev/null
	TIMBRE_TEST_ALL=1 $(GO) test -timeout 30m ./...
	$(GO) -C tools/release test -timeout 10m ./...

.PHONY: check
check: ## Check the format, run vet, and check that generated files are current
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt'; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashpoints ./...
	$(GO) mod tidy -diff
	$(GO) -C tools/s3 mod tidy -diff
	$(GO) -C tools/release mod tidy -diff
	$(GO) -C tools/release vet ./...
	$(GO) -C tools run ./operations ..
	$(GO) run ./fault/gen -check -root .
	cd widget && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./widget/build -check
	cd verify && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./verify/build -check
	$(GO) -C tools tool sqlc diff -f ../internal/store/sqlc.yaml

.PHONY: release
release: ## Build archives, packages, image and checksums into release/ (VERSION=1.2.3)
	$(GO) -C tools/release run . -root ../.. $(if $(VERSION),-version $(VERSION))

.PHONY: generate
generate: ## Regenerate all generated files: codes, queries, widget, page
	$(GO) generate ./fault
	$(GO) -C tools tool sqlc generate -f ../internal/store/sqlc.yaml
	cd widget && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./widget/build
	cd verify && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./verify/build

.PHONY: bench
bench: ## Measure, and compare with the minimum cost; print a table and write bench.json
	$(GO) run ./internal/bench -json bench.json

.PHONY: fuzz
fuzz: ## Fuzz each decoder for FUZZTIME (default 30s)
	@./scripts/fuzz
