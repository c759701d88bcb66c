"""What `make install` puts where, and that it works from there."""
import os
import subprocess

from own_daemon import BUILD


def test_installed_programs_run_from_where_they_are(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--quiet", "--no-rebuild"], check=True, env={**os.environ, "DESTDIR": str(tmp_path)}, capture_output=True)
    found = {path.name: path for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("hoist", "hoistd", "hoist.h", "hoist.pc", "hoist.1", "hoistd.1", "hoist-load.1", "hoist.bash", "_hoist", "hoist.fish", "hoist-scan", "hoist-keeper",
                 "hoistd.service", "hoist-keeper.service", "hoist-keeper.socket"):
        assert name in found, sorted(found)
    assert any(name.startswith("libhoist.so") for name in found)
    for program in ("hoist", "hoistd"):
        done = subprocess.run([found[program], "--version"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.startswith(program), done
    done = subprocess.run([found["hoistd"], "--verify", "/etc/passwd"], capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "unknown_format" in done.stdout, done  # it found hoist-scan
    assert "ExecStart=/" in found["hoistd.service"].read_text(encoding="utf-8")
