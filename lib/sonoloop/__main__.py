"""``python -m sonoloop``: the command line for a given interpreter."""

from sonoloop.cli.main import run

if __name__ == "__main__":
    run()
