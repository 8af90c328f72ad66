"""Runs one part so that it dies with the process that started it, even when that one is killed outright.

    python parent_death.py PARENT SIGNAL USER COMMAND...

PARENT is the starting process, SIGNAL (a number) reaches the part when PARENT is gone, USER is `-` or who to become
when run by root: PostgreSQL refuses to be root. That user retains root's right to pass folders, so that no folder's
permissions need to be opened. Both are Linux only; elsewhere the part simply runs. The process becomes the command,
so its pid stays.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION = 0x20080522


def become(user: str) -> None:
    """Leave root for `user`, on Linux with the right to pass folders whatever their permissions."""
    account = pwd.getpwnam(user)
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if linux:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if linux:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
        low = 1 << CAP_DAC_OVERRIDE
        sets = (ctypes.c_uint32 * 6)(low, low, low, 0, 0, 0)
        libc.capset(ctypes.byref(header), ctypes.byref(sets))
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Bind to the parent, change the user, and become the command."""
    parent, signal_number, user, *command = arguments
    if user != "-" and os.geteuid() == 0:
        become(user)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
