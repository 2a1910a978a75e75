"""Writes the folder that a student works in."""

from pathlib import Path

from experiments.lessons.exercises.contents import EXERCISES
from experiments.lessons.exercises.cut import stub
from experiments.training.errors import UsageError

README = """\
# Ten backward passes

Each file here holds one operation of a neural network as a `torch.autograd.Function`: its formula, its shapes and its
forward pass. What is missing is the end of `backward`: from the gradient that arrives from above, `grad_out` = ∂L/∂y,
to the gradients of the arguments, ∂L/∂x.

{table}

## How to work

1. Take one file, the first that is not done. Derive the gradient on paper, from the formula at the top of the file.
2. Write it into `backward`, in the place of `raise NotImplementedError(...)`. The tensors that you need are read from
   `ctx` above that line. Return one gradient for each argument of `forward`, in their order and of their shapes, and
   None for what has no gradient (class indices, numbers such as eps).
3. Have it proved, from the folder of the project, with FOLDER in the place of this folder's path:

       python -m experiments.lecture --grade FOLDER

   What is right passes. Of what is wrong you are told which property fails, with the numbers that were seen and a
   hint.
4. Mend it and grade again, until all ten pass.

The proof compares with PyTorch's autograd on several samples, at kinks and, where it matters, with very large numbers.
It also looks whether your gradient is written by hand: `torch.autograd.grad`, `.backward()`, `torch.func` and the
kernels of PyTorch's own backward are not.

Nothing stops you from looking the answers up: they stand in the project, and so does a docstring with the derivation
of each. You learn more if you look there afterwards.

Your files are never overwritten: `--exercise` writes only those that are missing. To start one anew, delete it first.

## And then

A gradient can be right and still not compose with all of PyTorch: second derivatives, forward mode, `vmap`,
`torch.compile`. To see what yours does:

    python -m manualnet.check FOLDER/sigmoid.py:Sigmoid --input 3x4 --reference torch:sigmoid
"""


def write(folder: Path | str) -> list[Path]:
    """Write the exercises and a README.md into a folder, which is made if it is missing.

    Args:
        folder: where to. A file of a student is never overwritten: what is there already is kept.

    Returns:
        The files that were written.

    Raises:
        UsageError: ``folder`` is a file, or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = write(folder)
    ...     first[1].unlink()
    ...     [path.name for path in write(folder)], len(first)
    (['sigmoid.py'], 11)
    """
    folder = Path(folder)
    contents = {"README.md": README.format(table=_table()), **{e.file: stub(e.source) for e in EXERCISES.values()}}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            # "x" refuses whatever is there, so that nothing of a student's can be lost between a look and a write.
            try:
                with (folder / name).open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                continue
            written.append(folder / name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to: {error.strerror}; name another folder") from error
    return written


def _table() -> str:
    rows = [f"| {i} | {e.file} | {e.title} |" for i, e in enumerate(EXERCISES.values(), 1)]
    return "\n".join(["| | file | what it computes |", "|---|---|---|", *rows])
