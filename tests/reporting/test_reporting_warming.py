import subprocess
import sys


def test_after_warming_up_nothing_is_loaded_for_the_first_document() -> None:
    script = """
import sys
from sonoloop.reporting import warming
warming.warm_up()
loaded = set(sys.modules)
warming.warm_up()
assert "highdicom" in loaded
assert set(sys.modules) == loaded
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)

    assert ended.returncode == 0, ended.stderr.decode()
