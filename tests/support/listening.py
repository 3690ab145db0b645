"""A watch of trainings and evaluations that remembers what it was told."""

from sonoloop.training.progress import Progress


class Listener:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.reused: list[str] = []
        self.epochs = 0

    def begin(self, what: str) -> None:
        self.begun.append(what)

    def epoch(self, progress: Progress) -> None:
        self.epochs = max(self.epochs, progress.epoch)

    def end(self, what: str, *, reused: bool) -> None:
        if reused:
            self.reused.append(what)
