"""Data sets, one file each; `open_dataset` gives samples as numpy arrays and needs no torch."""

from segbench.data.broken import Broken, BrokenFile
from segbench.data.dataset import Dataset, Sample
from segbench.data.opening import open_dataset

__all__ = ["Broken", "BrokenFile", "Dataset", "Sample", "open_dataset"]
