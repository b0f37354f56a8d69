"""What processes and the kernel say that they use."""

import re
import time
from pathlib import Path

#: What a session takes of the kernel's objects on the server's side, and which part of all that this machine has: the
#: other ends of the connections are here, too. Files are the socket and the maildrop; the client has a socket only.
_SERVERS = {"TCP": 1 / 2, "sock_inode_cache": 1 / 2, "filp": 2 / 3, "eventpoll_epi": 1, "file_lock_cache": 1}
#: The name of a socket in the cache of names. Whatever looks through /proc leaves others there, so this is not measured.
_NAME = 192


def cpu(pid: int) -> float:
    """Seconds of CPU of a process so far, threads that have ended included: its own clock (clock_getcpuclockid)."""
    return time.clock_gettime(~pid << 3 | 2)


def hashing(pid: int) -> float:
    """Seconds that its threads for passwords took of these, the only ones that last as long as it does."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().startswith("hash-"):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pid: int) -> dict[str, int]:
    """Octets: proportional set size, and page tables."""
    pss = _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    return {"pss": pss, "tables": _kib(Path(f"/proc/{pid}/status"), "VmPTE")}


def kernel() -> dict[str, int]:
    """Octets that the kernel has in its slabs, and that sockets have waiting."""
    sockets = re.search(r"^TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.M)
    return {"slab": _kib(Path("/proc/meminfo"), "Slab"), "buffers": int(sockets[1]) * 4096}


def end_of_server(slabs: dict[str, float]) -> float:
    """Octets of a session that are a server's, of those that all slabs have of it."""
    return _NAME + sum(share * slabs.get(name, 0) for name, share in _SERVERS.items())


def slabs() -> dict[str, int]:
    """Objects of each slab cache, times their size; nothing where this may not be read."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
    except PermissionError:
        return {}
    fields = (line.split() for line in lines)
    return {name: int(active) * int(size) for name, active, _, size, *_ in fields}


def wire() -> tuple[int, int]:
    """Octets and packets that the loopback interface has carried."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    octets, packets = line.split(":")[1].split()[:2]
    return int(octets), int(packets)


def forget_files() -> bool:
    """Drops the page cache, dentries and inodes; says whether this process may."""
    import os

    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except PermissionError:
        return False
    return True


def calm(pids: list[int], patience: float = 120) -> None:
    """Waits until these processes do nothing: better hashes of passwords are made in the background."""
    end = time.monotonic() + patience
    before = sum(map(cpu, pids))
    while time.monotonic() < end:
        time.sleep(1)
        now = sum(map(cpu, pids))
        if now - before < 0.01 + 0.001 * len(pids):
            return
        before = now


def _kib(file: Path, name: str) -> int:
    return int(re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.M)[1]) * 1024
