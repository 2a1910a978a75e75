"""What a run leaves in its folder."""

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import torch

import manualnet
from experiments.training.config import Config
from experiments.training.errors import UsageError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]


def make_folder(config: Config) -> Path:
    """A folder of its own for the run: nothing that an earlier run left is written over."""
    if config.run_name is not None and (Path(config.run_name).name != config.run_name or config.run_name == ".."):
        raise UsageError(f"--run-name must be the name of a folder, without a path, and is {config.run_name!r}")
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = config.run_name or f"{config.model}-{config.gradients}-seed{config.seed}-{stamp}"
    folder = config.runs_dir.expanduser() / name
    try:
        folder.mkdir(parents=True, exist_ok=False)
    except FileExistsError as error:
        raise UsageError(f"{folder} exists already: give another --run-name, or remove it") from error
    except OSError as error:
        other = "--run-name" if error.errno == errno.ENAMETOOLONG else "--runs-dir"
        raise UsageError(f"{folder} cannot be made ({error.strerror}): give another {other}") from error
    return folder


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The run whose file this is belongs to this process; a second one is refused. It ends with the process."""
    if fcntl is None:
        yield
        return
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path.parent}: this run is being trained by another process") from None
        except OSError:
            pass  # there are file systems without locks
        yield


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what then becomes ``path``: whole or not at all, also where the run is killed while writing."""
    partial = path.with_suffix(".part")
    yield partial
    os.replace(partial, path)


def write_json(path: Path, record: dict) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n")


def versions() -> dict[str, str]:
    return {
        "manualnet": manualnet.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def machine(device: torch.device) -> dict:
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"system": platform.platform(terse=True), "threads": torch.get_num_threads(), "gpu": gpu}
