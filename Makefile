# Everything here needs Go and make; the targets that need more say so.
GO       ?= go
BIN      := build/trellis
DATA     ?= data
FUZZTIME ?= 20s
LINT     := build/tools/golangci-lint
LINTVER  := v2.15.0
R4DIR    := build/r4-examples
export TRELLIS_R4_EXAMPLES ?= $(wildcard $(CURDIR)/$(R4DIR)/package)

.DEFAULT_GOAL := help
.PHONY: help build run demo test test-race test-mongo clients oracle check lint vuln bench fuzz golden definitions r4-examples proof clean

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

build: ## Build the one binary, build/trellis
	$(GO) build -o $(BIN) ./cmd/trellis

run: build ## Start on loopback with the embedded store, send one referral per partner format, then serve
	$(BIN) demo --data $(DATA)

demo: build ## The same on a throw-away store and free ports, then stop
	$(BIN) demo --once

test: ## Run every test
	$(GO) test ./...

test-race: ## Run the tests under the race detector (needs a C compiler)
	$(GO) test -race ./...

test-mongo: ## Run the suite against a real three-node MongoDB replica set (needs Docker)
	docker compose -p trellis-test up -d --wait
	TRELLIS_TEST_MONGODB='mongodb://127.0.0.1:27017,127.0.0.1:27018,127.0.0.1:27019/?replicaSet=trellis' \
		$(GO) test -count=1 -timeout 25m ./...; status=$$?; docker compose -p trellis-test down -v; exit $$status

clients: build ## Run the FHIR clients of others against the binary (needs npm and Node 20.19 or newer)
	cd conformance/clients && npm ci --silent && npm test

ORACLE := $(CURDIR)/build/oracle
oracle: build r4-examples ## Ask HL7's reference validator about examples, definitions and mutations (needs Java 17, Maven)
	$(GO) run ./profiles/mutate/corpus -out $(ORACLE)/documents -reference $(ORACLE)/definitions -official $(R4DIR)/package
	cd conformance/oracle && MAVEN_OPTS=-Xmx3g mvn -q -B compile exec:java \
		-Dexec.args="$(ORACLE)/definitions $(ORACLE)/documents $(ORACLE)/reference.ndjson"
	$(BIN) validate --json $(ORACLE)/documents > $(ORACLE)/trellis.json || test $$? -eq 1
	$(GO) run ./conformance/oracle/compare -ours $(ORACLE)/trellis.json -root $(ORACLE)/documents \
		-theirs $(ORACLE)/reference.ndjson -argued docs/divergences.md

check: proof ## Format, vet, lint, module hygiene, age of the MongoDB proof
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt these files:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(MAKE) lint

lint: $(LINT)
	$(LINT) run ./...

$(LINT):
	GOBIN=$(CURDIR)/build/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)

vuln: ## Look for known vulnerabilities that the code reaches (needs the public database)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./...

proof: ## Say on which MongoDB servers the store was proven, loudly when that is out of date
	@$(GO) run ./gateway/store/mongostore/proof -check

bench: build ## Print the measured numbers beside the design's targets
	$(BIN) bench

fuzz: ## Run each fuzz target for FUZZTIME (default 20s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

golden: ## Rewrite the golden files from what the code does now; read the diff before you commit it
	@for pkg in $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u); do $(GO) test $$pkg -update || exit 1; done

r4-examples: ## Fetch the official R4 package for its tests and for `make definitions` (needs npm)
	@test -d $(R4DIR)/package || { mkdir -p $(R4DIR) && cd $(R4DIR) && npm pack --silent hl7.fhir.r4.examples@4.0.1 && tar xzf hl7.fhir.r4.examples-4.0.1.tgz; }

definitions: r4-examples ## Regenerate the embedded R4 tables from the official package
	$(GO) run ./fhir/definitions/gen -from $(R4DIR)/package

clean: ## Remove what was built (never the data)
	rm -rf build
