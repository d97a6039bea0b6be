# make help explains itself. Nothing but Go is needed for `demo` and `build`.
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
deps: ## Install what the tests need from Debian's packages, or say what to install
	@./scripts/deps

.PHONY: test
test: deps ## Run every test there is: Go, TypeScript, browser, both databases
	cd widget && npm ci --no-audit --no-fund --loglevel=error && npm run --silent typecheck && npm run --silent test
	cd verify && npm ci --no-audit --no-fund --loglevel=error && npm run --silent typecheck && npm run --silent test
	cd internal/e2e && npm ci --no-audit --no-fund --loglevel=error
	$(GO) -C tools/s3 tool -n versitygw >/dev/null
	TIMBRE_TEST_ALL=1 $(GO) test -timeout 30m ./...
	$(GO) -C tools/release test -timeout 10m ./...

.PHONY: check
check: ## Format, vet, and whether generated files are current
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt'; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashpoints ./...
	$(GO) mod tidy -diff
	$(GO) -C tools/s3 mod tidy -diff
	$(GO) -C tools/release mod tidy -diff
	$(GO) -C tools/release vet ./...
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
generate: ## Write every generated file anew: codes, queries, widget, page
	$(GO) generate ./fault
	$(GO) -C tools tool sqlc generate -f ../internal/store/sqlc.yaml
	cd widget && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./widget/build
	cd verify && npm ci --no-audit --no-fund --loglevel=error
	$(GO) run ./verify/build

.PHONY: bench
bench: ## Measure beside floors; prints a table and writes bench.json
	$(GO) run ./internal/bench -json bench.json

.PHONY: fuzz
fuzz: ## Fuzz every decoder for a while each (FUZZTIME=30s)
	@./scripts/fuzz
