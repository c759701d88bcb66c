"""A library is scanned faster than Python's readers read its headers: goal C7 in small; bench/results has the whole."""
import json
import subprocess
import sys

from own_daemon import ROOT, Daemon

FILES, STEP = 500, 5

sys.path.insert(0, str(ROOT / "bench"))
import library  # noqa: E402


def test_a_first_scan_takes_a_tenth_of_the_readers_time(tmp_path):
    """As quick as 50 times on an idle machine (bench/run.py C7); a tenth leaves room for a busy one."""
    folder = library.write(tmp_path / "library", FILES)
    daemon = Daemon(tmp_path, folder)
    try:
        scan = daemon.wait_for_scan()
        again = daemon.scan()
    finally:
        daemon.stop()
    assert (scan["files_changed"], scan["errors"], again["files_changed"], again["files_parsed"]) == (FILES, 0, 0, 0)
    done = subprocess.run([sys.executable, ROOT / "bench" / "headers.py", folder, str(STEP)], capture_output=True, text=True, check=True)
    readers = json.loads(done.stdout)
    assert sum(files for files, _, _ in readers.values()) == FILES // STEP
    seconds = STEP * sum(seconds for _, seconds, _ in readers.values())
    print(f"{FILES} files: hoistd {scan['duration_ms']:.0f} ms, again {again['duration_ms']:.1f} ms; Python's readers {1e3 * seconds:.0f} ms")
    assert scan["duration_ms"] / 1e3 < seconds / 10
    assert again["duration_ms"] < scan["duration_ms"] / 5
