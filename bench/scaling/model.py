"""What two machines carry, computed from measured rows; every line names the row that it stands on."""

from .table import Rows

_MACHINES = [(2, 24), (64, 256)]
#: Between two polls of a maildrop.
_INTERVAL_S = 300
#: Of the memory; the rest is for the page cache and the system.
_SHARE = 0.75


def add(rows: Rows) -> None:
    """The table `model`, where everything that it stands on has been measured."""
    if not all(rows.of(table) for table in ("idle", "login", "cores", "deliver", "disk")):
        return
    login, idle = rows.of("login"), rows.of("idle")
    remembered = login["password remembered"]["CPU, µs"]
    tls, resumed = (login[f"password remembered, TLS{kind}"]["CPU, µs"] for kind in ("", " resumed"))
    hashed = login["password hashed (argon2id)"]["CPU, µs"]
    held = [row for name, row in idle.items() if "TLS" not in name][-1]
    inside = [row for name, row in idle.items() if "TLS" in name][-1]
    syncs = max(row["append and fdatasync, /s"] for row in rows.of("disk").values())
    delivery = next(row for name, row in rows.of("deliver").items() if name.startswith("64"))
    octets = rows.of("cores")["8, 1"]["octets, both ways"]
    for cores, memory in _MACHINES:
        rate = cores * 1e6 / remembered
        kib = memory * _SHARE * 2**20
        rows.add("model", f"{cores} cores, {memory} GiB", {
            "polls/s, remembered": rate,
            "polls/s, TLS resumed, remembered": cores * 1e6 / resumed,
            "polls/s, hashed": cores * 1e6 / hashed,
            "maildrops, remembered": rate * _INTERVAL_S,
            "maildrops, TLS, remembered": cores * 1e6 / tls * _INTERVAL_S,
            "maildrops, hashed": cores * 1e6 / hashed * _INTERVAL_S,
            "network at polls remembered, Mbit/s": rate * octets * 8 / 1e6,
            "idle sessions": kib / _whole(held),
            "idle sessions, TLS": kib / _whole(inside),
            "deliveries/s by CPU": cores * 1e6 / delivery["CPU, µs"],
            "deliveries/s by this disk": min(syncs, delivery["messages, /s"]),
        })


def _whole(idle: dict) -> float:
    """KiB of a session, the kernel's included."""
    return idle["memory a session, KiB"] + idle["page tables a session, KiB"] + idle["kernel, KiB"]
