# What one does with this repository. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BIN ?= bin
RUN_DIR ?= .run
SCALE_SIZES ?= T10 R10000
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# These flags are for everything but tests, so that dependencies are compiled once for all of it: without
# paths of this machine, without C, and without asking git, which refuses in a checkout of another user.
export CGO_ENABLED ?= 0
BUILD_FLAGS := -trimpath -buildvcs=false

# The folder of the pinned tools, asked for in the recipe: it is known once they are built.
TOOLS := $$(hack/tools/build.sh)

# What changes sources comes before what reads them, also under `make -j`.
WRITERS := clean generate fmt
$(filter-out $(WRITERS),build run test lint verify): | $(filter $(WRITERS),$(MAKECMDGOALS))
fmt: | $(filter generate,$(MAKECMDGOALS))

##@ Use

.PHONY: help
help: ## List the targets (this)
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the manager into bin/
	go build $(BUILD_FLAGS) -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ ./cmd/...

.PHONY: kubernetes
kubernetes: ## Build Kubernetes from its Go modules, once (minutes), and print the folder of its programs
	@hack/kubernetes/build.sh

.PHONY: engines
engines: ## Build Prometheus, Alertmanager, Thanos and prometheus-operator, once (minutes), for the tests that run them
	@hack/engines/build.sh >/dev/null
	@hack/operator/build.sh >/dev/null

.PHONY: run
run: build kubernetes ## Start Kubernetes, the manager and the samples; with ONCE=1 check that all work, and end
	go build $(BUILD_FLAGS) -o $(BIN)/run ./hack/run
	@exec $(BIN)/run --assets="$$(hack/kubernetes/build.sh --path)" --manager=$(BIN)/ks-controller-manager \
	  --dir=$(RUN_DIR) $(if $(ONCE),--once)

##@ Change

.PHONY: test
test: kubernetes ## Run all tests under the race detector, on a real Kubernetes where they need one
	CGO_ENABLED=1 go test -race -timeout=20m ./...
ifneq ($(wildcard hack/kubernetes/*_test.go),)
	cd hack/kubernetes && go test -trimpath ./...
endif

.PHONY: scale
scale: build kubernetes ## Hold what must be true of a large cluster, at full size (an hour); SCALE_FLAGS=--divide=50: a part
	go build $(BUILD_FLAGS) -o $(BIN)/scale ./test/scale/run
	KS_SCALE=full go test -count=1 -v -timeout=60m -run '^TestConvergedRestart$$' ./test/scale
	@for size in $(SCALE_SIZES); do \
	  $(BIN)/scale --manager=$(BIN)/ks-controller-manager --out="$${KS_SCALE_OUT:-$(RUN_DIR)/scale}" \
	    --size=$$size $(SCALE_FLAGS); \
	done

# hack/kubernetes gets the linters that need no types: its types are all of Kubernetes, compiled.
.PHONY: lint
lint: tools ## Check the style of the code, and the import arrows between the floors
	GOFLAGS=-trimpath "$(TOOLS)/golangci-lint" run ./...
	cd hack/kubernetes && "$$(../tools/build.sh)/golangci-lint" run --fast-only ./...
	go test -count=1 ./hack/imports

.PHONY: fmt
fmt: tools ## Format the code
	"$(TOOLS)/golangci-lint" fmt ./...

API_GROUPS = alerting iam notification tenant

.PHONY: generate
generate: tools ## Write what is made from sources: deep copies, apply configurations, CRDs, roles, reference
	rm -rf api/applyconfiguration config/crd/bases
	"$(TOOLS)/controller-gen" paths=./api/... object crd:allowDangerousTypes=true output:crd:dir=config/crd/bases
	@# Each package writes some files anew that they share, so one follows the other: else any of them may be the last.
	for group in $(API_GROUPS); do "$(TOOLS)/controller-gen" paths=./api/$$group/... applyconfiguration || exit 1; done
	hack/generate/foreign.sh "$(TOOLS)/controller-gen"
	go run $(BUILD_FLAGS) ./hack/generate

.PHONY: verify
verify: tools ## Check that generated files and go.mod are current, and that README names existing tests
	hack/verify-readme.sh
	hack/verify.sh

.PHONY: tools
tools: ## Build the pinned generators and linters, once (minutes)
	@hack/tools/build.sh >/dev/null

.PHONY: clean
clean: ## Remove what build and run left in the checkout
	rm -rf bin .run

.PHONY: clean-cache
clean-cache: ## Remove the built Kubernetes, engines and tools, which all checkouts share
	rm -rf "$${KS_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/ks-controller-manager}"/{kubernetes,engines,operator,tools}
