"""What two machines carry, computed from measured rows."""

from .table import Rows

_MACHINES = [(2, 24), (64, 256)]
#: Between two polls of a maildrop.
_INTERVAL_S = 300
#: For so long a verified password is remembered.
_REMEMBERED_S = 3600
#: Of the memory; the rest is for the page cache and the system.
_SHARE = 0.75


def add(rows: Rows) -> None:
    """The table `model`, where everything that it stands on has been measured."""
    if not all(rows.of(table) for table in ("idle", "login", "cores", "serial", "deliver", "disk")):
        return
    login, idle, cores_of = rows.of("login"), rows.of("idle"), rows.of("cores")
    cpu = {name.removeprefix("password "): row["CPU, µs"] for name, row in login.items()}
    # A poll costs more where the server has more than one core; what a password and a handshake cost is the same.
    poll = cores_of["64, 2"]["CPU, µs"]
    tls = cpu["remembered, TLS"] - cpu["remembered"]
    hashing = cpu["hashed (argon2id)"] - cpu["remembered"]
    hourly = hashing * _INTERVAL_S / _REMEMBERED_S
    costs = {
        "remembered": poll,
        "remembered, TLS": poll + tls,
        "hashed once an hour": poll + hourly,
        "hashed once an hour, TLS": poll + hourly + tls,
        "hashed each time": poll + hashing,
        "hashed each time, TLS": poll + hashing + tls,
    }
    plain = [row for name, row in idle.items() if "TLS" not in name][-1]
    inside = [row for name, row in idle.items() if "TLS" in name][-1]
    delivery = rows.of("deliver")["64, 64, 2"]
    syncs = max(row["append and fdatasync, /s"] for row in rows.of("disk").values())
    one_at_a_time = min(row["polls at most, /s"] for row in rows.of("serial").values())
    for cores, memory in _MACHINES:
        rates = {name: min(cores * 1e6 / cost, one_at_a_time) for name, cost in costs.items()}
        kib = memory * _SHARE * 2**20
        figures = {f"polls/s, {name}": rate for name, rate in rates.items()}
        figures |= {f"maildrops, {name}": rate * _INTERVAL_S for name, rate in rates.items()}
        figures |= {
            "network at remembered polls, Mbit/s": rates["remembered"] * cores_of["64, 2"]["octets, both ways"] * 8 / 1e6,
            "idle sessions": kib / _whole(plain),
            "idle sessions, TLS": kib / _whole(inside),
            "deliveries/s by CPU": cores * 1e6 / delivery["CPU, µs"],
            "deliveries/s by this disk": syncs,
        }
        # More digits would claim more than slopes can say.
        figures = {name: float(f"{value:.3g}") for name, value in figures.items()}
        rows.add("model", f"{cores} cores, {memory} GiB", figures)


def _whole(idle: dict) -> float:
    """KiB of a session, the kernel's included."""
    return idle["memory a session, KiB"] + idle["page tables a session, KiB"] + idle["kernel, KiB"]
