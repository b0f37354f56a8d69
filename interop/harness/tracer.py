#!/usr/bin/python3
"""Runs a program, counts the calls by which it changes something outside itself, and ends it at one of them.

    tracer.py RECORD [kill before N | kill after N | ERROR N [COUNT]] -- PROGRAM ARGUMENT…

strace counts each kind of call in each thread by itself; this counts all kinds in all threads together, so that for a program of
several threads every call can be hit, and hits it before it is made or when it has been made. ERROR is a name of errno; the call
fails with it and is not made, COUNT calls of the same kind in all (0: every one from there on, and every other that writes).

What the program starts (fork) is not looked at. RECORD gets a line for each call that counts: its number, name, and what it is about.
Exits as the program does; 137 if it was killed here. x86-64 only: numbers of calls and places of registers are those of a machine.
"""

import ctypes
import errno
import os
import platform
import signal
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype = ctypes.c_long
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

_TRACEME, _POKEUSER, _SYSCALL, _SETOPTIONS, _SYSCALL_INFO = 0, 6, 24, 0x4200, 0x420E
_SYSGOOD, _CLONE, _EXEC, _EXITKILL = 1, 1 << 3, 1 << 4, 1 << 20
_ENTRY, _EXIT = 1, 2
#: Where the kernel looks for the number of the call, and where its result is.
_ORIG_RAX, _RAX = 15 * 8, 10 * 8

_O_WRITES = os.O_CREAT | os.O_TRUNC

#: Calls that change a file or a directory by a descriptor.
_FILES = {1: "write", 18: "pwrite64", 20: "writev", 296: "pwritev", 328: "pwritev2", 74: "fsync", 75: "fdatasync", 306: "syncfs",
          77: "ftruncate", 285: "fallocate", 326: "copy_file_range", 40: "sendfile"}
#: Those that change names.
_NAMES = {82: "rename", 264: "renameat", 316: "renameat2", 86: "link", 265: "linkat", 87: "unlink", 263: "unlinkat", 83: "mkdir",
          258: "mkdirat", 84: "rmdir"}
_OPENS = {257: "openat"}
#: Those that talk. What was said is with the other side when one reads.
_TALK = {44: "sendto", 46: "sendmsg", 45: "recvfrom", 47: "recvmsg"}
#: Programs that are started, and waited for.
_STARTS = {56: "clone", 435: "clone3", 57: "fork", 58: "vfork", 61: "wait4", 247: "waitid"}
_KNOWN = _FILES | _NAMES | _OPENS | _TALK | _STARTS
_WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "fsync", "fdatasync", "syncfs", "openat", "fallocate", "sendfile",
           "copy_file_range", "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat"}


class _Info(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32), ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64), ("nr", ctypes.c_uint64), ("arguments", ctypes.c_uint64 * 6), ("more", ctypes.c_uint64),
    ]


def able() -> str | None:
    """Why this machine cannot do it; None if it can."""
    return None if platform.machine() == "x86_64" else "calls are counted on x86-64 only"


class _Tracer:
    def __init__(self, record, plan: list[str], words: list[str]):
        self._record, self._words, self._count, self._first = record, words, 0, 0
        self._kills = plan[:1] == ["kill"]
        self._after = plan[1:2] == ["after"]
        self._at = int(plan[2] if self._kills else plan[1]) if plan else -1
        self._error = None if self._kills or not plan else getattr(errno, plan[0])
        self._times = int(plan[2]) if self._error and len(plan) > 2 else 1
        #: The kind of the call that fails, and how many have failed.
        self._kind, self._failed = None, 0
        #: Threads whose call fails, and those whose call is the last one.
        self._failing, self._last = set(), set()

    def run(self) -> int:
        self._first = os.fork()
        if self._first == 0:
            _ptrace(_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(self._words[0], self._words)
        os.waitpid(self._first, 0)
        _ptrace(_SETOPTIONS, self._first, _SYSGOOD | _CLONE | _EXEC | _EXITKILL)
        _ptrace(_SYSCALL, self._first)
        result, runs, born = 255, False, set()
        while True:
            try:
                thread, status = os.waitpid(-1, 0x40000000)
            except ChildProcessError:
                return result
            if not os.WIFSTOPPED(status):
                if thread == self._first:
                    result = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                continue
            number, event, passed = os.WSTOPSIG(status), status >> 16, 0
            if number == signal.SIGTRAP | 0x80:
                if runs and self._call(thread):
                    os.kill(self._first, signal.SIGKILL)
                    continue
            elif event == 4:
                runs = True
            elif number == signal.SIGSTOP and thread != self._first and thread not in born:
                # Each new thread stops once.
                born.add(thread)
            elif event == 0:
                passed = number
            _ptrace(_SYSCALL, thread, passed)

    def _call(self, thread: int) -> bool:
        """Whether this is the end."""
        info = _Info()
        _LIBC.ptrace(_SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.byref(info))
        if info.op == _EXIT:
            if thread in self._failing:
                self._failing.discard(thread)
                _ptrace(_POKEUSER, thread, -self._error & (1 << 64) - 1, _RAX)
            return thread in self._last
        name = _KNOWN.get(info.nr)
        about = self._about(info, name) if info.op == _ENTRY and name else None
        if about is None:
            return False
        number, self._count = self._count, self._count + 1
        print(number, name, about, file=self._record, flush=True)
        if self._kills and number == self._at:
            self._last.add(thread)
            return not self._after
        if self._error and self._fails(number, name):
            self._failing.add(thread)
            print("  fails", file=self._record, flush=True)
            _ptrace(_POKEUSER, thread, (1 << 64) - 1, _ORIG_RAX)
        return False

    def _fails(self, number: int, name: str) -> bool:
        if number == self._at:
            self._kind = name
        if number < self._at or self._kind is None:
            return False
        if self._times == 0:
            return name in _WRITES or name == self._kind
        self._failed += name == self._kind
        return name == self._kind and self._failed <= self._times

    def _about(self, info: _Info, name: str) -> str | None:
        """What a call is about; None if it is not worth anything."""
        if info.nr in _OPENS:
            return f"{self._path(info.arguments[0])} …" if info.arguments[2] & _O_WRITES else None
        if info.nr in _FILES or info.nr in _TALK:
            path = self._path(info.arguments[0])
            # Threads wake each other by these, and what is told to people is nobody's mail.
            hidden = "anon_inode:" in path or (path.startswith("pipe:") and info.arguments[0] in (1, 2))
            return None if hidden or path == "/dev/null" else path
        return "…"

    def _path(self, descriptor: int) -> str:
        if descriptor & 0xFFFFFFFF == 0xFFFFFF9C:
            return "."
        try:
            return os.readlink(f"/proc/{self._first}/fd/{descriptor & 0xFFFFFFFF}")
        except OSError:
            return "?"


def _ptrace(request: int, thread: int, data: int = 0, address: int = 0) -> None:
    # A thread that was killed meanwhile is told of by waitpid.
    if _LIBC.ptrace(request, thread, address, data) < 0 and ctypes.get_errno() != errno.ESRCH:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def main() -> int:
    place = sys.argv.index("--")
    with open(sys.argv[1], "w") as record:
        return _Tracer(record, sys.argv[2:place], sys.argv[place + 1 :]).run()


if __name__ == "__main__":
    sys.exit(main())
