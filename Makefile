.PHONY: check lint vuln test e2e soak bench compare fuzz golden demo build reproducible sbom release-notes

# What a commit must pass: format, vet, tests of every package.
check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...
	go test -race -shuffle=on ./...

# Static analysis of every module. The tools have no go.mod here: exact versions,
# whose checksums Go's checksum database vouches for, and none of their modules
# among ours. A finding that is wrong is answered on its line, by
# `#nosec RULE -- reason`.
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOSEC = go run github.com/securego/gosec/v2/cmd/gosec@v2.30.0 -quiet -color=false \
	-nosec-require-rules -nosec-require-justification

# What has its own rules as a whole: the simulator has to answer as Auth0 does, with
# SHA-1 thumbprints, Gravatars and redirects to registered addresses, on plain http;
# the programs of bench and e2e start the programs and open the files that they are for.
lint:
	$(STATICCHECK) ./...
	cd bench && $(STATICCHECK) ./...
	cd e2e && $(STATICCHECK) ./...
	$(GOSEC) -exclude-dir=bench -exclude-dir=e2e \
		-exclude-rules='auth0sim/.*:G124,G401,G501,G505,G704,G710' ./...
	cd bench && $(GOSEC) -exclude=G204,G304,G306 ./...
	cd e2e && $(GOSEC) -exclude=G204,G304,G306,G702,G703 ./...

# Known vulnerabilities in what is called. Where the database cannot be reached,
# nothing is known: that fails, too.
vuln:
	sh e2e/vuln.sh

test:
	go test -race ./...

# A real browser before, and application servers behind, a Caddy that xcaddy built;
# and several of them on one Redis, whose figures are shown.
e2e: sbom
	GOPROXY=off GOSUMDB=off go run -C e2e ./xcaddybuild testdata/cluster/xcaddy.json ../caddy-redis
	sh e2e/install.sh
	go test -C e2e/monitoring -count=1 ./...
	go test -C e2e -count=1 -timeout 20m -skip '^Test(Cluster|Soak)' ./...
	go test -C e2e -count=1 -timeout 20m -v -run '^Test(Cluster|Soak)' .

# Several instances under mixed traffic for so long, and whether one of them grows.
# Needs what `make e2e` made.
SOAK ?= 30m
soak:
	go test -C e2e -count=1 -v -timeout 0 -run TestSoak -soak $(SOAK) .

# What each operation may allocate, and that the comparison measures what it says,
# with Apache and mod_auth_openidc as peers. Without -race, which allocates by itself.
bench:
	sh bench/install.sh
	go vet -C bench ./...
	go test -C bench -count=1 ./...

# Processor time, requests per second and memory beside a bare Caddy, in pairs.
# Needs a quiet machine for some minutes.
compare:
	go run -C bench ./compare

# Every decoder of untrusted bytes, FUZZTIME each: a number of runs, or a time such
# as 1m. A time may end in the middle of a run, which go test calls a failure.
FUZZTIME ?= 5000x
fuzz:
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

# Writes the golden files of the Caddyfile adapter anew; read the difference.
golden:
	go test ./caddyauth0oidc -run TestCaddyfileAdapts -update

demo:
	go run ./examples/demo

# A Caddy with the plugin, made by xcaddy from xcaddy.json. The modules are
# fetched first and checked against go.sum, so that the build itself asks nobody:
# neither for this module's path nor for the checksums of its fresh go.sum.
build:
	go mod download
	go mod download -C e2e
	GOPROXY=off GOSUMDB=off go run -C e2e ./xcaddybuild ../xcaddy.json ../caddy

# Builds the last commit in two folders, and compares the binaries.
reproducible:
	sh e2e/reproducible.sh

# The bill of materials of the built Caddy, from what Go wrote into it (CycloneDX 1.6).
sbom: build
	go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin \
		-json -std -noserial -notimestamp -output caddy.cdx.json caddy

# What the CHANGELOG says of a version, for its release.
VERSION ?= Unreleased
release-notes:
	@go run -C e2e ./releasenotes ../CHANGELOG.md $(VERSION)
