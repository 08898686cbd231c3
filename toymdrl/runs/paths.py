"""Where the files of a run are."""

from pathlib import Path

from toymdrl.runs.plan import Checkpoint


class RunFiles:
    """The paths inside a run's folder."""

    def __init__(self, path: Path) -> None:
        """`path` is the folder; it need not be there yet."""
        self.path = path

    @property
    def config_file(self) -> Path:
        """What was run."""
        return self.path / "config.json"

    @property
    def results_file(self) -> Path:
        """Checkpoints with their scores, claims."""
        return self.path / "results.json"

    @property
    def metrics_file(self) -> Path:
        """One line a step."""
        return self.path / "metrics.jsonl"

    @property
    def provenance_file(self) -> Path:
        """Where, when and with which versions."""
        return self.path / "provenance.json"

    @property
    def report_file(self) -> Path:
        """The report as a page."""
        return self.path / "report.html"

    @property
    def summary_file(self) -> Path:
        """The report in Markdown."""
        return self.path / "summary.md"

    @property
    def theorems_file(self) -> Path:
        """Every theorem held against this run."""
        return self.path / "theorems.md"

    @property
    def figures(self) -> Path:
        """The folder of the report's figures."""
        return self.path / "figures"

    @property
    def progress_file(self) -> Path:
        """The stage under way."""
        return self.path / "progress.safetensors"

    @property
    def lock_file(self) -> Path:
        """Held by the process that works on the run."""
        return self.path / ".lock"

    def checkpoint_file(self, checkpoint: Checkpoint) -> Path:
        """A checkpoint's weights."""
        return self.path / "checkpoints" / f"{checkpoint.name}.safetensors"

    def analysis_file(self, name: str) -> Path:
        """The result of an analysis."""
        return self.path / "analysis" / f"{name}.json"

    def eigenpairs_file(self, name: str) -> Path:
        """Eigenpairs that several analyses use."""
        return self.path / "analysis" / f"eigenpairs-{name}.safetensors"
