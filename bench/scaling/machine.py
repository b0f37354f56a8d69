"""What processes and the kernel say that they use."""

import re
import time
from pathlib import Path

#: Slab caches that a session may have objects in, whoever's end of the connection it is.
SLABS = ["TCP", "sock_inode_cache", "filp", "dentry", "inode_cache", "ext4_inode_cache", "eventpoll_epi"]
SLABS += ["eventpoll_pwq", "file_lock_cache", "skbuff_small_head", "kmalloc-64", "kmalloc-192"]


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
    """Octets that the kernel has for everybody: slabs, sockets' buffers, its own page tables; and what is free."""
    info = Path("/proc/meminfo")
    sockets = re.search(r"^TCP: inuse (\d+) .* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.M)
    found = {"slab": _kib(info, "Slab"), "available": _kib(info, "MemAvailable"), "tables": _kib(info, "PageTables")}
    found |= {"sockets": int(sockets[1]), "buffers": int(sockets[2]) * 4096}
    return found


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
