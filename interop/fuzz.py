#!/usr/bin/python3
"""Runs each fuzz target of `fuzz/` for a few seconds.

    fuzz.py [--seconds S] [--keep] [TARGET…]

Each target begins with what `fuzz/seeds` has for it: examples with names, and under their digests the inputs
of long runs that reach something that no other does; `--keep` adds those of this run. What else a target finds
stays in `fuzz/corpus` and `fuzz/artifacts`, which are not in git.

The targets are ordinary libFuzzer programs, so `cargo fuzz run TARGET` works too where cargo-fuzz is
installed. It is not needed: on the stable compiler its instrumentation is a handful of flags, given here.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tomllib

from harness.paths import REPOSITORY, TARGET

_FUZZ = REPOSITORY / "fuzz"
_CARGO = shlex.split(os.environ.get("CARGO", "cargo"))

# What cargo-fuzz passes, but for the address sanitizer: it needs an unstable flag, and all of our code
# forbids `unsafe`.
_FLAGS = (
    "--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 -Cpasses=sancov-module "
    "-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters "
    "-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
)

_RUNS = re.compile(r"^Done (\d+) runs in", re.MULTILINE)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--keep", action="store_true", help="what reaches something new goes to fuzz/seeds")
    arguments.add_argument("targets", nargs="*")
    options = arguments.parse_args()
    manifest = tomllib.loads((_FUZZ / "Cargo.toml").read_text())
    targets = options.targets or [binary["name"] for binary in manifest["bin"]]
    triple = _host()
    # With a target triple, build scripts and macros are built without the flags.
    subprocess.run(
        [*_CARGO, "build", "--locked", "--release", "--manifest-path", _FUZZ / "Cargo.toml", "--target", triple]
        + ["--target-dir", TARGET / "fuzz"],
        env=os.environ | {"RUSTFLAGS": _FLAGS},
        check=True,
    )
    failed = runs = 0
    for target in targets:
        program = TARGET / "fuzz" / triple / "release" / target
        if ran := _fuzz(program, target, options.seconds):
            runs += ran
            if options.keep:
                _keep(program, target)
        else:
            failed += 1
    print(f"  all targets: {runs} runs")
    print(f"{len(targets) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def _host() -> str:
    version = subprocess.run(["rustc", "-vV"], stdout=subprocess.PIPE, check=True).stdout.decode()
    return re.search(r"^host: (.*)$", version, re.MULTILINE)[1]


def _fuzz(program, target: str, seconds: int) -> int:
    """How many runs there were without a finding; 0: there was one."""
    corpus, artifacts = _FUZZ / "corpus" / target, _FUZZ / "artifacts" / target
    for directory in (corpus, artifacts):
        directory.mkdir(parents=True, exist_ok=True)
    seeds = [_FUZZ / "seeds" / target] if (_FUZZ / "seeds" / target).is_dir() else []
    done = subprocess.run(
        [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
        + [f"-artifact_prefix={artifacts}/", corpus, *seeds],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=TARGET,
    )
    output = done.stdout.decode(errors="replace")
    runs = int(found[1]) if (found := _RUNS.search(output)) else 0
    if done.returncode == 0 and runs > 0:
        print(f"  {target}: {runs} runs in {seconds} s", flush=True)
        return runs
    print(f"  FAILED {target}: exit status {done.returncode}; what it found is in {artifacts}")
    print("\n".join(f"    {line}" for line in output.splitlines()[-25:]), flush=True)
    return 0


def _keep(program, target: str) -> None:
    seeds = _FUZZ / "seeds" / target
    seeds.mkdir(exist_ok=True)
    before = len(list(seeds.iterdir()))
    subprocess.run(
        [program, "-merge=1", seeds, _FUZZ / "corpus" / target],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=TARGET, check=True,
    )
    print(f"  {target}: {len(list(seeds.iterdir())) - before} inputs kept", flush=True)


if __name__ == "__main__":
    sys.exit(main())
