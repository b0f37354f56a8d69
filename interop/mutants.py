#!/usr/bin/python3
"""Shows that the simulation finds bugs: breaks the store on purpose, one way at a time, and demands that it fails.

    mutants.py [--seeds N] [--only NAME…] [--all]

The crates that the simulation needs are copied to `target/mutants`, changed there, built, and lived through. A
change that is not found exactly once, or does not build, is a failure: it shows nothing. Each mutant must break a
promise within N seeds.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.paths import REPOSITORY, TARGET

_CARGO = shlex.split(os.environ.get("CARGO", "cargo"))
_HERE = TARGET / "mutants"
_CRATES = ("sasl", "pop3", "maildrop")


def _copy(source: Path, target: Path) -> None:
    """Copies what differs, so that only that is built again."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in list(target.rglob("*")):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()
    for relative in wanted:
        _write(target / relative, (source / relative).read_bytes())


def _write(path: Path, octets: bytes) -> None:
    if not path.exists() or path.read_bytes() != octets:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


def prepare() -> None:
    """A workspace with nothing but the store and its simulation, unchanged."""
    for crate in _CRATES:
        _copy(REPOSITORY / "crates" / crate, _HERE / "crates" / crate)
    for directory in ("src", "sim"):
        _copy(REPOSITORY / "tests" / directory, _HERE / "tests" / directory)
    _write(_HERE / "tests/sim.rs", (REPOSITORY / "tests/sim.rs").read_bytes())
    _write(_HERE / "Cargo.lock", (REPOSITORY / "Cargo.lock").read_bytes())
    workspace = (REPOSITORY / "Cargo.toml").read_text()
    members = ", ".join(f'"crates/{crate}"' for crate in _CRATES)
    workspace, count = re.subn(r"members = .*\nexclude = .*", f'members = [{members}, "tests"]', workspace)
    assert count == 1, "Cargo.toml names its members in another way"
    _write(_HERE / "Cargo.toml", workspace.encode())
    manifest = (REPOSITORY / "tests/Cargo.toml").read_text()
    manifest = re.sub(r"\[dev-dependencies\]\n(.+\n)*", "", manifest)
    manifest = re.sub(r'\[\[(test|bench)\]\]\nname = "(?!sim")\w+"\n(.+\n)*', "", manifest)
    _write(_HERE / "tests/Cargo.toml", manifest.encode())


@dataclass(frozen=True)
class Mutant:
    """One way to break the store."""

    name: str
    what: str
    #: Below crates/maildrop/src/native.
    file: str
    #: What is there exactly once, and what comes in its place.
    changes: tuple[tuple[str, str], ...]
    #: Whether the short form has it.
    short: bool = False
    #: The first seed, where what finds it is rare.
    first: int = 0


_MUTANTS = [
    Mutant(
        "ack-before-sync",
        "a delivery and a commit are acknowledged before they are synced",
        "append.rs",
        (("            Ok(()) => self.file.sync_data().map_err(|error| {", "            Ok(()) => Ok(()).map_err(|error: io::Error| {"),),
        short=True,
    ),
    Mutant(
        "no-directory-sync",
        "the name of a new file is not synced",
        "deliver.rs",
        (("if let Err(error) = self.disk.sync_dir(&dir) {", "if let Err(error) = Ok::<(), io::Error>(()) {"),),
        short=True,
    ),
    Mutant(
        "delete-without-checksum",
        "the body of a DELETE is believed without its checksum",
        "record/mod.rs",
        (
            (
                "Ok((whole && crc32c::crc32c(&body) == self.record.crc).then_some(body))",
                "Ok(whole.then_some(body))",
            ),
        ),
        short=True,
        first=46_000,
    ),
    Mutant(
        "uids-begin-again",
        "a replacement forgets which uids were given out",
        "rewrite.rs",
        (
            ("next_uid: index.next_uid,\n", "next_uid: 1,\n"),
            ("        fresh.raise(index.next_uid)?;\n", ""),
        ),
        short=True,
    ),
    Mutant(
        "no-lock-over-rename",
        "a replacement lets go of the old file's append lock before the rename",
        "rewrite.rs",
        (
            (
                "        disk.rename(new_path, &path)?;\n",
                "        self.file.unlock(Lock::Append);\n        disk.rename(new_path, &path)?;\n",
            ),
        ),
        short=True,
    ),
    Mutant(
        "names-given-again",
        "a replacement forgets the unique-ids from elsewhere that are used up",
        "rewrite.rs",
        (("        fresh.gone(index.taken())?;\n", ""),),
    ),
    Mutant(
        "no-directory-sync-of-replacement",
        "the rename of a replacement is not synced",
        "rewrite.rs",
        (("        disk.sync_dir(&Store::<D>::dir_of(self.drop))?;\n", ""),),
    ),
    Mutant(
        "replacement-not-synced",
        "a replacement gets its name before its octets are durable",
        "fresh.rs",
        (("        self.file.sync_all()?;\n", ""),),
    ),
    Mutant(
        "dead-rise",
        "what is kept for the operator lives again when the file is written anew",
        "rewrite.rs",
        (("                fresh.delete(&uids, at_us)?;\n", "                let _ = at_us;\n"),),
    ),
    Mutant(
        "inode-not-compared",
        "whoever gets the append lock does not look whether the file was replaced",
        "append.rs",
        (("is_named(&path, stat.id).unwrap_or(false)", "is_named(&path, stat.id).is_ok_and(|_| stat.len > 0)"),),
    ),
    Mutant(
        "session-inode-not-compared",
        "whoever gets the session lock does not look whether the file was replaced",
        "session.rs",
        (("is_named(&path, id).unwrap_or(false)", "is_named(&path, id).is_ok_and(|_| id.inode > 0)"),),
    ),
    Mutant(
        "no-session-lock",
        "the session lock holds within one process only",
        "session.rs",
        (("if file.try_lock(Lock::Session)? {", "if file.try_lock(Lock::Session).is_ok() {"),),
    ),
    Mutant(
        "shown-before-durable",
        "what another process wrote is shown without being synced",
        "catch_up.rs",
        (("            true => file.sync_data(),\n            false => Ok(()),", "            _ => Ok::<(), io::Error>(()),"),),
    ),
    Mutant(
        "name-not-anchored",
        "the name of a file that another process made is not synced",
        "catch_up.rs",
        (("            self.store.disk.sync_dir(&Store::<D>::dir_of(self.drop))?;\n", ""),),
    ),
    Mutant(
        "second-sync-proves",
        "what was known is not forgotten after a failed sync, and the next sync believed",
        "catch_up.rs",
        (
            (
                "            self.slot.known = None;\n            file.forget_cache(from);\n",
                "            let _ = from;\n",
            ),
        ),
    ),
    Mutant(
        "refused-record-stays",
        "a record that was refused is not taken off the file",
        "refusal.rs",
        (
            (
                "let result = self.file.truncate(cut).and_then(|()| self.file.sync_all());",
                "let result = self.file.stat().map(|_| ());",
            ),
        ),
    ),
    Mutant(
        "undone-during-rewriting",
        "what was undeleted while the file was written anew stays dead",
        "rewrite.rs",
        (
            (
                "Some(_) if index.commits != commits => return Ok(Rewritten::GaveWay),",
                "Some(_) if index.commits < commits => return Ok(Rewritten::GaveWay),",
            ),
        ),
    ),
    Mutant(
        "hide-not-synced",
        "a hiding is acknowledged before it is synced",
        "hide.rs",
        (
            ("use super::media::Disk;\n", "use super::media::{Disk, File};\n"),
            (
                "        self.append(record, Vec::new(), &[&body])\n",
                "        let (head, found) = self.encode(record, Vec::new());\n"
                "        self.file.write_at(&[&head, &body], found.offset)?;\n"
                "        self.take_in(&found, &[&body]);\n"
                "        Ok(())\n",
            ),
        ),
        short=True,
    ),
    Mutant(
        "hides-by-halves",
        "a session hides each message by a record of its own",
        "hide.rs",
        (
            (
                "        self.flag(FLAG_HIDDEN, 0, uids)\n",
                "        uids.chunks(1).try_for_each(|one| self.flag(FLAG_HIDDEN, 0, one))\n",
            ),
        ),
    ),
    Mutant(
        "hidden-outlives",
        "what is hidden does not expire",
        "expire.rs",
        (("for entry in known.index.alive() {", "for entry in known.index.listed() {"),),
    ),
    Mutant(
        "sidecar-forgets-hidden",
        "what is hidden is not in the sidecar",
        "index/entry.rs",
        (
            (
                "out.extend_from_slice(&self.place.to_le_bytes());",
                "out.extend_from_slice(&(self.place & !HIDDEN).to_le_bytes());",
            ),
        ),
    ),
    Mutant(
        "hidden-forgotten",
        "what is hidden is seen again when the file is written anew",
        "rewrite.rs",
        (("            fresh.hide(&hidden)?;\n", ""),),
    ),
    Mutant(
        "hides-others",
        "a hiding runs over messages that lie between those that it names",
        "hide.rs",
        (
            (
                "ranges(uids.iter().copied(), index.alive().map(|entry| entry.uid));",
                "ranges(uids.iter().copied(), index.alive().map(|_| u64::MAX));",
            ),
        ),
    ),
    Mutant(
        "late-mail-not-copied",
        "what came in while the file was written anew is not in the new one",
        "rewrite.rs",
        (("                .filter(|(it, _)| it.uid > copied)\n", "                .filter(|_| copied == 0)\n"),),
    ),
    Mutant(
        "hole-in-what-is-kept",
        "the body of a message that the operator may bring back is given back",
        "tidy.rs",
        (("!grave.is_hollow && grave.deleted_us <= cut_us &&", "!grave.is_hollow && cut_us < i64::MAX &&"),),
    ),
    Mutant(
        "refused-name-comes-back",
        "the name of a refused first message is taken back, but not its octets",
        "deliver.rs",
        (("let emptied = appending.file.truncate(HEADER_LEN as u64);", "let emptied = Ok::<(), io::Error>(());"),),
    ),
    Mutant(
        "torn-tail-shown",
        "the last record is shown although its text is torn",
        "recover.rs",
        (
            (
                "let may_be_torn = align(found.end) >= len && found.offset >= durable;",
                "let may_be_torn = false && align(found.end) >= len && found.offset >= durable;",
            ),
        ),
    ),
    Mutant(
        "sidecar-without-checksum",
        "a sidecar is believed although a power cut has torn it",
        "sidecar.rs",
        (("wide_mac(&header.salt, &[octets]) == mac", "wide_mac(&header.salt, &[octets]).len() == mac.len()"),),
    ),
    Mutant(
        "name-given-twice",
        "a unique-id from elsewhere is kept although another message has it",
        "deliver.rs",
        (
            (
                "!looks_own(known.header.generation, id) && !known.index.is_taken(id)",
                "!looks_own(known.header.generation, id)",
            ),
        ),
    ),
    Mutant(
        "like-ours",
        "a unique-id from elsewhere is kept although it is one that we will give",
        "deliver.rs",
        (
            (
                "!looks_own(known.header.generation, id) && !known.index.is_taken(id)",
                "!known.index.is_taken(id)",
            ),
        ),
    ),
]

_STORE = _HERE / "crates/maildrop/src/native"
_TEST = ["test", "-p", "restante-tests", "--test", "sim", "--no-run"]
_BINARY = re.compile(r"Executable \S+ \((.+)\)$", re.MULTILINE)
_BROKEN = re.compile(r"^seed (\d+): (.*)$", re.MULTILINE)


def _run(words: list[str], **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        words,
        cwd=_HERE,
        env=os.environ | {"CARGO_TARGET_DIR": str(_HERE / "target"), "RUST_BACKTRACE": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def _lived(seeds: int, first: int = 0) -> tuple[str, str]:
    """What came of so many seeds: "builds not", "lives", "caught" or "fails", and lines that tell more."""
    status, output = _run([*_CARGO, *_TEST])
    binary = _BINARY.search(output)
    if status != 0 or binary is None:
        return "builds not", "\n".join(output.splitlines()[-30:])
    words = [str(_HERE / binary[1]), "--nocapture", "lives_without_a_broken_promise"]
    status, output = _run(words, SIM_SEEDS=str(seeds), SIM_FROM=str(first))
    if status == 0:
        return "lives", ""
    if found := _BROKEN.search(output):
        return "caught", f"seed {found[1]}: {found[2]}"
    return "fails", "\n".join(output.splitlines()[-30:])


def _judge(mutant: Mutant, seeds: int) -> bool:
    path = _STORE / mutant.file
    whole = broken = path.read_text()
    for old, new in mutant.changes:
        if (count := broken.count(old)) != 1:
            print(f"  FAILED {mutant.name}: what it changes is in {mutant.file} {count} times, not once: {old}")
            return False
        broken = broken.replace(old, new)
    began = time.monotonic()
    try:
        path.write_text(broken)
        verdict, line = _lived(seeds, mutant.first)
    finally:
        path.write_text(whole)
    if verdict != "caught":
        print(f"  FAILED {mutant.name}: {mutant.what}: {verdict} after {seeds} seeds\n{line}")
        return False
    print(f"  caught {mutant.name} ({mutant.what}) by {line} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seeds", type=int, default=150_000)
    arguments.add_argument("--only", nargs="+", default=[])
    arguments.add_argument("--all", action="store_true", help="not only those of the short form")
    options = arguments.parse_args()
    prepare()
    chosen = [
        mutant
        for mutant in _MUTANTS
        if (mutant.name in options.only if options.only else options.all or mutant.short)
    ]
    results = [_judge(mutant, options.seeds) for mutant in chosen]
    verdict, line = _lived(1000)
    # Without a change it must live, or nothing above shows anything.
    results.append(verdict == "lives")
    if verdict != "lives":
        print(f"  FAILED the store as it is: {verdict}: {line}")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
