"""The notebooks run from top to bottom, each in a kernel of its own, and show what the rows work out."""

import asyncio
import re
import sys
from pathlib import Path

import nbformat
import pytest

from experiments.lessons.contents import PARTS
from experiments.lessons.show import notebooks

FOLDER = Path(__file__).parents[3] / "docs" / "notebooks"


def test_the_notebooks_in_the_repository_are_what_the_rows_give(tmp_path):
    written = notebooks.write(tmp_path)
    assert sorted(path.name for path in FOLDER.iterdir()) == [path.name for path in written]
    for path in written:
        kept = (FOLDER / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == kept, "run python -m experiments.lecture --notebooks docs/notebooks"


@pytest.mark.skipif(sys.platform == "win32", reason="the kernel's event loop is another on Windows")
@pytest.mark.filterwarnings("default")  # the client's own
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_notebook_runs(part, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parents[1]))
    book = notebooks.notebook(part)
    nbformat.validate(book)
    client = NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    asyncio.run(client.async_execute())
    codes = [cell for cell in book.cells if cell.cell_type == "code"][1:]
    assert len(codes) == len(part.rows)
    for cell in codes:
        shown = "".join(str(output) for output in cell.outputs)
        assert re.search("✓|⚠", shown), f"{cell.id} shows nothing"
        assert "does not hold" not in shown
