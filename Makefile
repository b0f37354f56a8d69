# What can be done here. `make` alone says it.

CARGO ?= cargo
PYTHON ?= /usr/bin/python3
POWERCUT = $(or $(CARGO_TARGET_DIR),target)/debug/restante-powercut
export CARGO STRICT

.PHONY: help demo build needs test quick fuzz counts kill sim mutants inject fetch-crash fill powercut interop transfer moving share peers bench bench-peers bench-client bench-scale day hostile timing long rot orders names roundtrip clean

help:
	@echo "make demo      a throw-away server on loopback, and a session with it"
	@echo "make test      every check that a change must pass (.ci/run does the same)"
	@echo "make quick     formatting, lints, documentation and tests only"
	@echo "make fuzz      each fuzz target; SECONDS_EACH=10"
	@echo "make counts    instructions and allocations of the hot paths; RECORD=1 records them anew"
	@echo "make kill      the kill rig; ROUNDS=300 SEED=…"
	@echo "make inject    an error and a kill at every call that touches the disk, every kind at every call"
	@echo "make fetch-crash  restante fetch ended at every call, at random and by full disks; ROUNDS_EACH=60, PEERS=1 for those of others"
	@echo "make fill      a disk with k KiB free; POINTS=1000 SEED=…"
	@echo "make powercut  power cuts under ext4 and XFS, as root; IMAGES=100 SEED=…"
	@echo "make share     a Maildir that Dovecot serves as well, our server killed again and again; SHARED_SECONDS=600"
	@echo "make rot       rot and forgeries in a maildrop's file; FLIPS=1500000 FORGED=10000000 THREADS=2 SEED=1"
	@echo "make orders    three threads on one maildrop in every order; CHANGES=2 DICE=2000"
	@echo "make names     names of strangers that must become no path; NAMES=1000000"
	@echo "make roundtrip  what LMTP takes is what RETR gives; OCTETS=1073741824 SEED=8"
	@echo "make sim       the store's simulated lives; SEEDS=1000000 SEED=… (one, step by step)"
	@echo "make mutants   the store broken on purpose, which the simulation must notice"
	@echo "make interop   real clients and a real Postfix against the program"
	@echo "make transfer  Postfix, Exim, OpenSMTPD and Sendmail hand mail to the program; EACH=1000 messages a route"
	@echo "make moving    mail moves in from Dovecot, Courier, Cyrus and popa3d under their clients; MESSAGES=1000"
	@echo "make peers     the program, Dovecot and Courier asked the same, side by side"
	@echo "make bench     the load generator on this machine; BENCH_SECONDS=5 a workload, PAGE=bench.html"
	@echo "make bench-peers  the same beside Dovecot, Courier and popa3d; ROUNDS_EACH=3 WRITE=--write"
	@echo "make bench-client  restante fetch beside mpop, fetchmail, getmail and curl; ROUNDS_EACH=3 WRITE=--write"
	@echo "make bench-scale  how costs grow, to 100,000 sessions and 1,000,000 maildrops; QUICK=1 WRITE=--write"
	@echo "make day       a million-message day beside Maildir on the same disk; DAY=DIR"
	@echo "make hostile   10,000 slow connections and other crowds beside real sessions; needs 25 GB"
	@echo "make timing    whether refused logins can be told apart by the time they take; LOGINS=20000"
	@echo "make long      fuzzing, killing, power cuts, injecting and filling for hours, and the ignored tests"

demo:
	$(CARGO) run --release -p restante -- demo

build:
	$(CARGO) build --locked -p restante

needs:
	@interop/needs.sh

test: needs
	@$(PYTHON) interop/check.py

quick: needs
	@$(PYTHON) interop/check.py static tests

SECONDS_EACH ?= 10
fuzz: needs
	@$(PYTHON) interop/fuzz.py --seconds $(SECONDS_EACH)

counts: needs
	@$(PYTHON) interop/counts.py $(if $(RECORD),--record)

ROUNDS ?= 300
kill: needs build
	@$(PYTHON) interop/kill.py --rounds $(ROUNDS) --seconds 100000 $(if $(SEED),--seed $(SEED))

inject: needs build
	@$(PYTHON) interop/inject.py

# PEERS=1 measures what comes twice from fetchmail, getmail and mpop; ONLY=--only=PART tries some of it.
fetch-crash: needs build
	@$(PYTHON) interop/fetch_crash.py $(if $(PEERS),--peers) $(if $(filter command line,$(origin ROUNDS_EACH)),--rounds $(ROUNDS_EACH)) \
		$(if $(SEED),--seed $(SEED)) $(ONLY)

POINTS ?= 1000
fill: needs build
	@$(PYTHON) interop/fill.py --points $(POINTS) $(if $(SEED),--seed $(SEED))

IMAGES ?= 100
powercut: needs
	$(CARGO) build --locked -p restante -p restante-powercut
	@$(POWERCUT) --images $(IMAGES) $(if $(SEED),--seed $(SEED))
	@$(POWERCUT) --images 10 --lying-disk

FLIPS ?= 1500000
FORGED ?= 10000000
THREADS ?= 2
rot:
	FLIPS=$(FLIPS) FORGED=$(FORGED) THREADS=$(THREADS) $(if $(SEED),SEED=$(SEED)) \
		$(CARGO) test --release --locked -p restante-tests --test rot -- --nocapture --test-threads 1

CHANGES ?= 2
DICE ?= 2000
orders:
	CHANGES=$(CHANGES) DICE=$(DICE) \
		$(CARGO) test --locked -p restante-tests --test interleaving -- --nocapture --test-threads 1

NAMES ?= 1000000
names:
	NAMES=$(NAMES) $(CARGO) test --locked -p restante-tests --test names -- --nocapture
	PROPTEST_CASES=$(NAMES) $(CARGO) test --locked -p restante --bin restante a_name_leads_nowhere_else

OCTETS ?= 1073741824
roundtrip:
	ROUND_TRIP_OCTETS=$(OCTETS) $(if $(SEED),ROUND_TRIP_SEED=$(SEED)) \
		$(CARGO) test --release --locked -p restante-tests --test round_trip -- --nocapture

# The profile of tests, not of release: it is optimised where it counts, and overflows are panics.
SEEDS ?= 1000000
sim:
	$(if $(SEED),SIM_SEED=$(SEED)) SIM_SEEDS=$(SEEDS) \
		$(CARGO) test --locked -p restante-tests --test sim many_lives -- --ignored --nocapture

mutants:
	@$(PYTHON) interop/mutants.py --all

interop: needs build
	@$(PYTHON) interop/run.py

EACH ?= 1000
transfer: needs build
	@RESTANTE_TRANSFER=$(EACH) $(PYTHON) interop/transfer.py

MESSAGES ?= 1000
moving: needs build
	@RESTANTE_MOVING=$(MESSAGES) $(PYTHON) interop/moving.py

SHARED_SECONDS ?= 600
share: needs build
	@$(PYTHON) interop/share.py --seconds $(SHARED_SECONDS)

peers: needs build
	@$(PYTHON) interop/peers.py

BENCH_SECONDS ?= 5
bench: needs
	@bench/run.sh $(BENCH_SECONDS) $(PAGE)

# As many seconds a workload as `bench`; WRITE=--write puts the table into docs/performance.md.
ROUNDS_EACH ?= 3
bench-peers: needs
	$(CARGO) build --release --locked -p restante
	@$(PYTHON) bench/peers.py --rounds $(ROUNDS_EACH) --seconds $(BENCH_SECONDS) $(WRITE)

# ONLY=--only=CLIENT,… measures some of them; SMOKE=--smoke only sees that all of it works.
bench-client: needs
	$(CARGO) build --release --locked -p restante
	@$(PYTHON) bench/clients.py $(or $(SMOKE),--rounds $(ROUNDS_EACH)) $(ONLY) $(WRITE)

# Everything stays in target/scaling; ONLY=--only=PART measures one part again.
bench-scale: needs
	$(CARGO) build --release --locked -p restante
	@$(PYTHON) bench/scale.py $(if $(QUICK),--quick) $(ONLY) $(WRITE)

DAY ?= target/day
day:
	@rm -rf $(DAY)
	@$(CARGO) bench --quiet --locked -p restante-tests --bench day -- --dir $(abspath $(DAY))

# As many descriptors as there are connections, on either side.
hostile:
	$(CARGO) build --release --locked -p restante
	@$(CARGO) bench --quiet --locked -p restante-tests --bench hostile

# By itself: other work on the machine is noise in every group alike, but noise.
LOGINS ?= 20000
timing:
	LOGINS=$(LOGINS) $(CARGO) test --locked -p restante-tests --test server \
		timing::refused_logins_take_the_same -- --exact --ignored --nocapture

long: needs build
	@$(MAKE) --no-print-directory powercut IMAGES=5000
	@$(PYTHON) interop/fuzz.py --seconds 300
	@$(PYTHON) interop/kill.py --rounds 10000 --seconds 100000
	@$(PYTHON) interop/inject.py
	@$(PYTHON) interop/fetch_crash.py
	@$(PYTHON) interop/fill.py --points 1000
	@$(PYTHON) interop/mutants.py --all
	@$(MAKE) --no-print-directory sim
	@$(MAKE) --no-print-directory rot
	@$(MAKE) --no-print-directory orders
	@$(MAKE) --no-print-directory names
	@$(MAKE) --no-print-directory roundtrip
	@$(MAKE) --no-print-directory moving
	@$(MAKE) --no-print-directory share
	@$(MAKE) --no-print-directory timing
	RACES=1000000 $(CARGO) test --locked -p restante-maildrop --lib -- helper::tests::races --nocapture
	$(CARGO) test --workspace --locked -- --ignored --skip many_lives --skip refused_logins_take_the_same

clean:
	$(CARGO) clean
