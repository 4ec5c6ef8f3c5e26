"""A Slurm of one machine, started by hand in a folder of its own, on the loopback interface only.

Its programs come from the system's packages (Debian: slurm-wlm, munge). Nothing is left behind: `Cluster`
is a context manager that stops what it started.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo")
START_S = 30.0

_CONF = """\
ClusterName=loopback
SlurmctldHost={host}({address})
SlurmctldPort={control_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=batch_sched_delay=1,sched_interval=1
NodeName={host} NodeAddr={address} CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP
"""


def missing_programs() -> list[str]:
    """What of Slurm and munge is not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


class Cluster:
    """munged, slurmctld and slurmd under `folder`, up between `__enter__` and `__exit__`.

    Raises RuntimeError, with the last lines of the log, for a daemon that does not come up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to find this cluster and no other."""
        return {**os.environ, "PATH": _path(), "SLURM_CONF": str(self._folder / "slurm.conf")}

    def __enter__(self) -> Cluster:
        for name in ("state", "spool"):
            (self._folder / name).mkdir(parents=True)
        self._folder.chmod(0o755)
        (self._folder / "slurm.conf").write_text(
            _CONF.format(
                folder=self._folder,
                host=socket.gethostname().split(".")[0],
                address="127.0.0.1",
                control_port=_free_port(),
                node_port=_free_port(),
                user=pwd.getpwuid(os.getuid()).pw_name,
                cpus=os.cpu_count(),
                memory_mb=_memory_mb(),
            )
        )
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        try:
            self._start(
                "munged",
                "--foreground",
                "--force",
                f"--socket={self._folder}/munge.socket",
                f"--key-file={key}",
                f"--pid-file={self._folder}/munged.pid",
                f"--log-file={self._folder}/munged.log",
                f"--seed-file={self._folder}/munged.seed",
            )
            self._wait("munged", lambda: (self._folder / "munge.socket").exists())
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait("slurmctld", self._is_idle)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(
            ["scancel", f"--user={pwd.getpwuid(os.getuid()).pw_name}"], env=self.environment, check=False
        )
        # A job that is over tells the daemons so; without them its last process would wait for ever.
        deadline = time.monotonic() + START_S
        while self._has_jobs() and time.monotonic() < deadline:
            time.sleep(0.2)
        self._stop()

    def _start(self, *command: str) -> None:
        output = (self._folder / f"{command[0]}.out").open("wb")
        with output:
            self._daemons.append(
                subprocess.Popen(command, env=self.environment, stdout=output, stderr=subprocess.STDOUT)
            )

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()

    def _has_jobs(self) -> bool:
        said = subprocess.run(
            ["squeue", "--noheader", "--states=all"], env=self.environment, capture_output=True, text=True
        )
        return any(word in said.stdout for word in (" R ", " CG ", " PD "))

    def _is_idle(self) -> bool:
        said = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=self.environment, capture_output=True, text=True
        )
        return said.stdout.strip() == "idle"

    def _wait(self, name: str, up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while not up():
            if any(daemon.poll() is not None for daemon in self._daemons) or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not come up:\n{self._logs()}")
            time.sleep(0.2)

    def _logs(self) -> str:
        paths = sorted([*self._folder.glob("*.log"), *self._folder.glob("*.out")])
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}" for path in paths)


def _path() -> str:
    """The daemons lie in sbin, which is not on everybody's path."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _memory_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 // 2
