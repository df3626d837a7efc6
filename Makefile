# `make` alone lists what there is. Every target works on a fresh clone with Go and nothing else installed,
# but `check`, whose race detector needs a C compiler.

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME  ?= 60s
CHECKS    ?= 100000
MINUTES   ?= 10
SEED      ?= 1
MEMORY    ?= 512MiB
FROM      ?= 1000
BENCH     ?= .
FILES     ?= $(wildcard *.u64.gz)
TOOL      := go tool -modfile=tools/go.mod
# The command line library carries a documentation generator; the tag leaves it out of the binary.
BUILDTAGS := urfave_cli_no_docs

.DEFAULT_GOAL := help
.PHONY: help run demo build test check format lint tidy race fuzz laws sweep planted planted-seeds planted-show planted-record e2e chaos bench bench-path bench-client bench-repair rivals bench-hitratio bench-memory cover clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build, and start a cluster of its own on this machine
	bin/shoal dev

demo: build ## a minute: three nodes under load, one is killed and comes back, every read is checked
	bin/shoal dev --demo

build: ## bin/shoal, one static binary
	CGO_ENABLED=0 go build -trimpath -tags $(BUILDTAGS) -ldflags "-s -w -X main.version=$(VERSION)" -o bin/shoal ./cmd/shoal

test: ## every test, without the race detector
	go test ./...

check: ## what must pass before a change goes in
	@$(MAKE) --no-print-directory lint tidy race
	@$(MAKE) --no-print-directory fuzz FUZZTIME=20000x

format: ## rewrite the code as gofumpt has it
	$(TOOL) gofumpt -w .

lint: ## format, vet, staticcheck
	@bad=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted, run make format:"; echo "$$bad"; exit 1; fi
	go vet -tags $(BUILDTAGS) ./...
	$(TOOL) staticcheck -tags $(BUILDTAGS) ./...

tidy: ## the rules of the house: layers, purity, sizes, documents
	go test -count=1 ./internal/tidy

race: ## every test under the race detector; the laws run over fewer cases
	CGO_ENABLED=1 go test -race -short ./...

# `go test -fuzz` takes one target of one package at a time. The listing is checked first: a package that does
# not build would otherwise count as one without targets. A gate counts inputs: a target that is given a time may
# fail at its end without having found anything (golang/go#75804).
fuzz: ## every fuzz target for FUZZTIME (60s; 20000x: that many inputs) each
	@set -e; \
	for pkg in $$(go list ./...); do \
		listed=$$(go test -list '^Fuzz' $$pkg) || { echo "$$listed"; exit 1; }; \
		for target in $$(echo "$$listed" | grep '^Fuzz' || true); do \
			echo "$$target in $$pkg, $(FUZZTIME)"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

laws: ## the properties over CHECKS (100000) cases each, drawn anew
	go test -timeout 2h ./vclock ./ring ./wire ./storage ./coordinator ./hints ./antientropy -rapid.seed=0 -rapid.checks=$(CHECKS)

e2e: ## real processes, driven by clients of others: go-redis, redis-cli, redis-benchmark
	cd e2e && go vet ./... && go test -count=1 ./...

chaos: build ## real processes killed, paused and cut off for MINUTES (10), from seed SEED (1); all of it needs Linux, ip and tc
	go run ./bench/chaos -shoal bin/shoal -minutes $(MINUTES) -seed $(SEED)

sweep: build ## simulated clusters for MINUTES (10), from seed FROM (1000), each run twice
	bin/shoal sim sweep --minutes $(MINUTES) --from $(FROM)

planted: ## bugs planted in the core (BUG=name: one): a seed must find each, of 10,000; see docs/TESTING.md
	go run ./sim/planted $(if $(BUG),-bug $(BUG))

planted-seeds: ## the same by the recorded seed of each alone: some minutes
	go run ./sim/planted -replay $(if $(BUG),-bug $(BUG))

planted-show: ## what the bug BUG=name does: its recorded seed, cut down, event by event
	go run ./sim/planted -show -bug $(BUG)

planted-record: ## planted, and then records the seeds
	go run ./sim/planted -record $(if $(BUG),-bug $(BUG))

bench: ## the benchmarks matching BENCH (all), without the tests
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-memory: ## a node of MEMORY (512MiB) under churn for MINUTES (10): its peak, and how much of it is of use
	go test -count=1 -v -timeout 24h -run '^TestAProcessStaysBelowItsMemoryWhateverIsStored$$' ./cmd/shoal -churn.for $(MINUTES)m -churn.memory $(MEMORY)

bench-path: build ## the request path beside Redis, which must be installed, by either door: about ten minutes
	go run ./bench/path -shoal bin/shoal
	go run ./bench/path -shoal bin/shoal -door resp

bench-client: build ## the Go client beside rueidis on a redis-server, which must be installed: about four minutes
	cd bench/rueidis && go run . -shoal ../../bin/shoal

bench-repair: build ## how what was missed comes back, on three processes (ARGS="exchange": see bench/repair): about fifteen minutes
	go run ./bench/repair -shoal bin/shoal $(ARGS)

rivals: ## the storage engine beside other caches for Go (ARGS="-parts time": see bench/rivals): about ten minutes
	cd bench/rivals && go vet ./... && go test ./... && go run . $(ARGS)

bench-hitratio: build ## what the storage engine hits of the traces FILES (*.u64.gz), beside LRU, S3-FIFO and the best possible
	bin/shoal bench hitratio $(FILES)

cover: ## which statements the tests reach: bin/cover.html
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -n 1

clean: ## remove what make built
	rm -rf bin
