"""The list of allowed system calls; tests/labs/alphas/test_strategies.py tries to get out."""

import pytest
from system_calls import syscalls

from radiance.platform import seccomp

OF_MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}  # the kernel's names of the architectures


@pytest.mark.parametrize("machine", OF_MACHINE)
def test_numbers_are_those_of_the_kernel_s_tables(machine: str) -> None:
    tables = syscalls()
    found = {name: tables.get(name, OF_MACHINE[machine]) for name in seccomp.ALLOWED}
    assert seccomp.numbers(machine) == found


def test_nothing_is_allowed_that_opens_starts_signals_or_connects() -> None:
    forbidden = (
        *(
            "open",
            "openat",
            "openat2",
            "creat",
            "unlink",
            "rename",
            "mkdir",
            "chmod",
            "io_uring_setup",
        ),
        *("fork", "vfork", "clone", "clone3", "execve", "execveat", "ptrace", "process_vm_writev"),
        *("kill", "tkill", "tgkill", "pidfd_open", "socket", "connect", "sendto", "bpf", "mount"),
        *("ioctl", "prctl", "seccomp", "memfd_create", "shmget", "mq_open", "unshare", "setns"),
    )
    assert not seccomp.ALLOWED.keys() & set(forbidden)
