"""Giving up system calls on Linux, for good, but those that computing takes (seccomp(2)).

The filter is ours because no package brings one: libseccomp, which knows every call by name, comes
with a distribution and not with pip, and pyseccomp is nothing without it; bubblewrap needs user
namespaces, which many containers and Ubuntu refuse; Landlock confines files and TCP, not calls. The
numbers are part of the kernel's ABI and never change; a test holds them against its tables.
"""

import ctypes
import platform
import struct
import sys

_X86_64, _AARCH64 = "x86_64", "aarch64"
_AUDIT_ARCHITECTURE = {_X86_64: 0xC000003E, _AARCH64: 0xC00000B7}  # AUDIT_ARCH_* of linux/audit.h
ALLOWED = {
    # Numbers of each: on x86-64, on 64-bit ARM.
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "read": (0, 63),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "set_robust_list": (273, 99),
    "sigaltstack": (131, 132),
    "sysinfo": (99, 179),
    "write": (1, 64),
}

# Of linux/prctl.h, linux/seccomp.h and linux/filter.h.
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_RET_ALLOW, _RET_EPERM, _RET_KILL = 0x7FFF0000, 0x00050001, 0x80000000
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD | W | ABS, JMP | JEQ | K, RET | K
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # offsets in struct seccomp_data


def is_available() -> bool:
    """Whether this machine's system calls can be filtered."""
    return sys.platform == "linux" and platform.machine() in _AUDIT_ARCHITECTURE


def numbers(machine: str) -> dict[str, int]:
    """The allowed calls by name, as ``machine`` numbers them."""
    place = (_X86_64, _AARCH64).index(machine)
    return {name: found[place] for name, found in ALLOWED.items()}


def forbid_all_but_computing() -> None:
    """Have every call that is not allowed fail with EPERM, in this process and what it starts.

    Raises:
        OSError: The system refused.
    """
    program = _program(platform.machine())
    code = b"".join(struct.pack("HBBI", *line) for line in program)  # struct sock_filter
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_program = struct.pack("HL", len(program), ctypes.addressof(buffer))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0),
        (_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), filter_program, 0, 0),
    ):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "the system calls cannot be filtered")


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """Classic BPF: operation, lines to skip if true, if false, and a constant.

    A call of another architecture, whose numbers mean other things, ends the process.
    """
    program = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _RET_KILL),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    for number in numbers(machine).values():
        program += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _RET_ALLOW)]
    return [*program, (_RETURN, 0, 0, _RET_EPERM)]
