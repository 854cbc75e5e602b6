"""The supervisor's life: bind, start, watch, drain. Its folders were locked by whoever has started it.

Shutdown (facts of reliability 7): gateways drain first, within ``limits.drain`` and a little more, then control commits
what is left of its batch; the rest stays in the spool for the next start. A second signal ends everything at once,
which loses nothing that was finished. Exit 0 after a drain, else 1.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import orjson

from proxy import __version__
from proxy.errors import SpoolError
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.supervisor import banner, instance
from proxy.supervisor.binding import DEFAULT_PORT, STRANGER, WAIT_SECONDS, PortTakenError, balances, bind_patiently
from proxy.supervisor.children import Child, reap_strangers
from proxy.supervisor.files import raise_file_limit
from proxy.supervisor.neighbours import who_listens

INTERRUPTED = 130
_TICK = 0.05
_GRACE = 5.0
_LOOK_SECONDS = 1.0
_KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "MALLOC_TRIM_THRESHOLD_": str(4 << 20)}
"""To glibc of a gateway: pieces of large bodies come and go; their pages, 2 MB more, are not given back in between."""
_SOCKET_SECONDS = 60.0
"""By then a control that was started has made its socket, however slow the machine is."""


class Supervisor:
    """One running Dashcam; a temporary one is told its address by nobody, so any port is as good, and nobody waits.

    ``locks`` are those of its folders, the data folder's first; they are held until it has left.
    """

    def __init__(self, settings: Settings, locks: list[int], *, is_temporary: bool = False) -> None:
        self._settings = settings
        self._started_at = time.time()
        self._is_temporary = is_temporary
        self._data_dir = Path(settings.data_dir)
        self._children: list[Child] = []
        self._sockets: list[socket.socket] = []
        self._port = settings.server.port
        self._signals: list[int] = []
        self._has_said_ready = False
        self._locks = locks
        self._folders = (self._data_dir, settings.spool_dir, Path(settings.run_dir))
        self._look_at_mark = 0.0
        self._reached: int | None = None

    def run(self) -> int:
        """Serve until told to leave; return the exit code."""
        refused = self._listen()
        if refused is not None:
            return refused
        self._listen_to_signals()
        self._start()
        try:
            self._watch()
            self._drain()
        finally:
            self._leave_folders()
        return 0

    def _leave_folders(self) -> None:
        if instance.holds(self._data_dir, self._locks[0]):
            for folder in self._folders:
                instance.forget(folder)
        for descriptor in self._locks:
            os.close(descriptor)

    def _listen_to_signals(self) -> None:
        numbers = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # Ignored from the start, it is nohup's: the terminal may go, and we stay.
            numbers.append(signal.SIGHUP)
        for number in numbers:
            signal.signal(number, lambda received, _frame: self._signals.append(received))

    # -- start ----------------------------------------------------------------------------------------------

    def _listen(self) -> int | None:
        """Bind every socket; return the exit code where that cannot be."""
        raise_file_limit()
        try:
            self._bind()
        except PortTakenError:
            _say(f"port {self._port} is taken by {self._who()}. Stop it, or choose another with --port or DASHCAM_PORT")
            return 1
        except OSError as error:
            _say(f"cannot listen at {self._settings.server.host}:{self._port}: {error.strerror or error}")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED
        return None

    def _bind(self) -> None:
        server = self._settings.server
        count = server.workers if balances() else 1
        may_move = server.port == DEFAULT_PORT and (self._is_temporary or sys.stderr.isatty())
        patience = 0.0 if self._is_temporary else WAIT_SECONDS
        self._sockets, self._port = bind_patiently(
            server.host, server.port, count, may_move=may_move, say=_say, who=self._who, patience=patience
        )

    def _who(self) -> str:
        """Return who has the port; by now it may have left."""
        server = self._settings.server
        return who_listens(server.host, server.port, Path(self._settings.run_dir)) or STRANGER

    def _start(self) -> None:
        read_end, self._write_end = os.pipe()
        os.set_inheritable(self._write_end, False)
        self._children += [self._gateway(worker, item.fileno(), read_end) for worker, item in enumerate(self._sockets)]
        control = ("-m", "proxy.control", "--run-dir", self._settings.run_dir, "--parent-fd", str(read_end))
        self._children.append(Child("control", control, (read_end,)))
        now = time.monotonic()
        for child in self._children:
            # One that cannot be started now is tried again like one that has ended.
            child.watch(now)
        try:
            self._announce()
        except OSError as error:
            # A full disk keeps nobody from relaying; only the command line will not find us.
            _say(f"cannot write down that Dashcam runs here: {error}")

    def _gateway(self, worker: int, socket_fd: int, parent_fd: int) -> Child:
        options = {
            "--run-dir": self._settings.run_dir,
            "--worker": worker,
            "--fd": socket_fd,
            "--parent-fd": parent_fd,
            "--gateways": len(self._sockets),
        }
        arguments = ("-m", "proxy.gateway", *(str(part) for option in options.items() for part in option))
        return Child(f"gateway {worker}", arguments, (socket_fd, parent_fd), _KEEPS_MEMORY)

    def _announce(self) -> None:
        told = {
            "pid": os.getpid(),
            "url": banner.public_url(self._settings.server.host, self._port),
            "version": __version__,
            "started_at": self._started_at,
            "database": self._settings.database.shown,
        }
        for folder in self._folders:
            instance.announce(folder, told)

    # -- life -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._signals:
            now = time.monotonic()
            for child in self._children:
                status = child.watch(now)
                if status is not None:
                    _say(f"{child.name} ended with status {status}; starting it again")
            reap_strangers({child.process.pid for child in self._children if child.process is not None})
            if now >= self._look_at_mark:
                self._look_at_mark = now + _LOOK_SECONDS
                # Tried again at the next look: without a mark we relay and record all the same.
                with contextlib.suppress(OSError):
                    self._keep_mark()
                with contextlib.suppress(OSError):
                    self._keep_run_folder(now)
            if not self._has_said_ready and self._is_ready():
                self._has_said_ready = True
                _write(banner.render(self._settings, self._port, __version__, colours=_has_colours()) + "\n")
            time.sleep(_TICK)

    def _keep_mark(self) -> None:
        """Mark the data folder again when it was emptied under us, so that commands find us and no second one starts.

        Nothing is written while the lock is somebody else's.
        """
        if not instance.holds(self._data_dir, self._locks[0]):
            lock = instance.lock(self._data_dir)
            if lock is None:
                return
            os.close(self._locks[0])
            self._locks[0] = lock
        if not instance.is_announced(self._data_dir):
            self._announce()

    def _keep_run_folder(self, now: float) -> None:
        """Mend what a cleaner of temporary files took: without settings no child could be started again.

        A control that has lost its socket is not reached any more: it is ended, and its next life makes a new one.
        """
        if not self._settings_path.exists():
            self._write_settings()
        control = self._children[-1]
        pid = control.process.pid if control.process is not None else None
        if self._settings.control_socket.exists():
            self._reached = pid
        elif pid is not None and (pid == self._reached or now - control.started_at > _SOCKET_SECONDS):
            self._reached = None
            control.terminate()

    @property
    def _settings_path(self) -> Path:
        return Path(self._settings.run_dir) / "settings.json"

    def _write_settings(self) -> None:
        folder = self._settings_path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        # In a folder that anybody may write to it may be somebody else's by now.
        if stat.S_ISDIR(found.st_mode) and found.st_uid in (os.getuid(), 0):
            replace_file(self._settings_path, orjson.dumps(self._settings.to_mapping()), is_lasting=False)

    def _is_ready(self) -> bool:
        """True when every gateway says so in its page."""
        running = {child.process.pid for child in self._children if child.process is not None}
        ready = 0
        for path in self._settings.pages_dir.glob("*.page"):
            with contextlib.suppress(SpoolError):
                page = Page.open(path)
                ready += page.get(Page.PID) in running and page.get(Page.READY)
                page.close()
        return ready >= len(self._sockets)

    def _drain(self) -> None:
        gateways = [child for child in self._children if child.name != "control"]
        control = [child for child in self._children if child.name == "control"]
        drain = self._settings.limits.drain
        if sys.stderr.isatty():
            _say(f"finishing open calls, at most {drain:g} s; press Ctrl+C again to stop at once")
        _ask_to_leave(gateways)
        # Ours are open too: until they close the kernel takes callers in, whom nobody will answer.
        for item in self._sockets:
            item.close()
        self._wait_for(gateways, drain + _GRACE)
        _ask_to_leave(control)
        self._wait_for(control, _GRACE + 2.0)

    def _wait_for(self, children: list[Child], seconds: float) -> None:
        """Wait until they have left; end them when the time is over or a second signal has come."""
        deadline = time.monotonic() + seconds
        while any(child.process is not None and child.process.poll() is None for child in children):
            if len(self._signals) > 1 or time.monotonic() > deadline:
                break
            time.sleep(_TICK)
        for child in children:
            child.wait(time.monotonic())


def _ask_to_leave(children: list[Child]) -> None:
    for child in children:
        child.terminate()


def _has_colours() -> bool:
    return sys.stderr.isatty() and not os.getenv("NO_COLOR") and os.getenv("TERM") != "dumb"


def _say(text: str) -> None:
    _write(f"dashcam: {text}\n")


def _write(text: str) -> None:
    """Say it, unless nobody reads: a supervisor that waited for a full pipe would restart and drain nothing."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [sys.stderr], [], 0.0)[1]:
            # What select calls writable takes at least a page without blocking.
            os.write(sys.stderr.fileno(), text.encode("utf-8", "replace")[:4096])
