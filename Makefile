# The targets are the steps of .ci/run.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 100000x

.PHONY: check build format vet staticcheck test race openssl compat fuzz

check: format vet staticcheck test

build:
	CGO_ENABLED=0 go build -trimpath -o okv ./cmd/okv

format:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { printf 'gofmt would change:\n%s\n' "$$unformatted"; exit 1; }

vet:
	go vet ./...
	cd test/compat && go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...
	cd test/compat && go run $(STATICCHECK) ./...

test:
	go test ./...

# On a machine with other work the detector takes some packages longer than the
# ten minutes that go test gives each.
race:
	go test -race -timeout 40m ./...

# The build that leaves RSA to OpenSSL: it needs a C compiler and libcrypto.
openssl:
	CGO_ENABLED=1 go vet -tags openssl ./internal/keyops
	CGO_ENABLED=1 go test -tags openssl ./internal/keyops

compat:
	cd test/compat && go test -count=1 -timeout 40m $(COMPATFLAGS) ./...

# go test -fuzz takes one fuzz test of one package at a time. FUZZTIME counts inputs: at the end of a duration
# go test now and then reports its own deadline as the target's failure (golang.org/issue/75804).
fuzz:
	@go list ./... | while read -r pkg; do \
		for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
		done; \
	done
