"""What was measured, as tables for a terminal of 80 columns."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from experiments.bench import calls, models
from experiments.bench.goals import LARGE, Goal, misses
from experiments.bench.growth import Growth
from experiments.bench.timing import Spread
from experiments.bench.units import bytes_, duration

SIDES = ("manual", "twin")


def functions(measured: Sequence[calls.Measured]) -> Iterator[Group]:
    """A table a number type, a row a function, a column a size; then the calls that specs have for large inputs."""
    sized = [m for m in measured if not m.call.label]
    for dtype in dict.fromkeys(m.call.dtype for m in sized):
        rows: dict[str, list[calls.Measured]] = {}
        for m in sized:
            if m.call.dtype == dtype:
                rows.setdefault(m.call.function, []).append(m)
        yield _by_size(dtype, list(rows.values()))
    if labelled := [m for m in measured if m.call.label]:
        marks = [(m.call.dtype, m.call.label) for m in labelled]
        yield details("the specs' own large calls", "sample", labelled, marks)


def _by_size(dtype: str, rows: list[list[calls.Measured]]) -> Group:
    largest = bytes_(rows[0][-1].call.bytes)
    table = _table()
    table.add_column("\nfunction", no_wrap=True, overflow="ellipsis", max_width=22)
    for m in rows[0]:
        _numbers(table, f"{bytes_(m.call.bytes)}\n{'+ µs' if m.call.bytes < LARGE else 'ratio'} ")
    for phase in ("forw.", "backw."):
        _numbers(table, f"{largest}\n{phase}")
    _numbers(table, "kept\nmanual", "\ntwin")
    for row in rows:
        last = row[-1]
        table.add_row(
            last.call.function,
            *map(_cell, row),
            *(f"{last.race.ratio(phase).median:.2f}" for phase in ("forward", "backward")),
            *(f"{kept.all / last.call.bytes:.2f}" for kept in (last.manual, last.twin)),
        )
    return Group(
        Text(f"functions, {dtype}", style="bold"),
        Text("+ µs: manual − twin; ratio: manual / twin; both ways together; !: above its goal", style="dim"),
        Text("kept: bytes for backward, in inputs of the largest size", style="dim"),
        table,
    )


def _cell(m: calls.Measured) -> Text:
    race = m.race
    value = f"{race.over().median * 1e6:+.0f}" if m.call.bytes < LARGE else f"{race.ratio().median:.2f}"
    return Text(f"{value}!", style="bold red") if misses(m) else Text(f"{value} ")


def of_settings(measured: Sequence[calls.Measured]) -> Group:
    """Functions on other layouts and with other settings."""
    marks = [(m.call.dtype, m.call.label) for m in measured]
    return details("functions on other layouts and with other settings, 4 MiB", "setting", measured, marks)


def of_models(measured: Sequence[calls.Measured], precision: str) -> Group:
    """The calls that the models make."""
    marks = [(m.call.label, "×".join(map(str, m.call.shape)) or "1") for m in measured]
    return details(f"calls that the models make in a training step, {precision}", "input", measured, marks)


def details(title: str, marked: str, measured: Sequence[calls.Measured], marks: Sequence[tuple[str, str]]) -> Group:
    """A row a call, with a mark before its name and one after it."""
    table = _table()
    table.add_column("", no_wrap=True)
    table.add_column("function", no_wrap=True, overflow="ellipsis", max_width=13)
    table.add_column(marked, justify="right", no_wrap=True, overflow="ellipsis", max_width=16)
    _numbers(table, *SIDES, "ratio (quartiles)", "kept")
    for (before, after), m in zip(marks, measured, strict=True):
        table.add_row(
            before,
            m.call.function,
            after,
            *(duration(m.race.seconds(side).median) for side in SIDES),
            spread(m.race.ratio()),
            _ratio(m.manual.all, m.twin.all),
        )
    return _titled(title, table)


def steps(measured: Sequence[models.Measured], peak: float) -> Iterator[Group]:
    """Time and memory of training steps."""
    time, memory = _table(), _table()
    for table in (time, memory):
        table.add_column("\nmodel")
    _numbers(time, "\nbatch", *(f"\n{side}" for side in SIDES), "\nratio (quartiles)", "images/s\nmanual")
    _numbers(time, "of peak\nmanual", "\ntwin")
    _numbers(memory, *(f"{'tensors' * (side == 'manual')}\n{side}" for side in SIDES), "\nratio")
    _numbers(memory, *(f"{'process' * (side == 'manual')}\n{side}" for side in SIDES), "\nratio")
    for m in measured:
        time.add_row(
            m.config.model,
            str(m.config.batch_size),
            *(duration(m.race.seconds(side).median) for side in SIDES),
            spread(m.race.ratio()),
            f"{m.images_per_second('manual'):,.0f}",
            *(f"{m.share_of(peak, side):.1%}" for side in SIDES),
        )
        grown = m.manual.resident, m.twin.resident
        memory.add_row(
            m.config.model,
            *(bytes_(height.live) for height in (m.manual, m.twin)),
            _ratio(m.manual.live, m.twin.live),
            *("–" if n is None else bytes_(n) for n in grown),
            _ratio(*grown),
        )
    precision = measured[0].precision
    yield _titled(f"one training step, {precision}; peak: {peak / 1e9:,.0f} GFLOP/s in matrix products", time)
    yield _titled("memory at a step's height: live tensors; by how much the process grows", memory)


def growth(measured: Sequence[Growth]) -> Group:
    """A row a step; × is how much more it costs than the row above."""
    table = _table()
    table.add_column("\nmodel")
    table.add_column("\nsetting")
    _numbers(table, "time\nmanual", "\n×", "\ntwin", "\n×", "\nratio", "tensors\nmanual", "\n×", "\ntwin", "\n×")
    for g in measured:
        times = [_column(g.seconds(side), duration) for side in SIDES]
        memory = [_column(g.live(side), bytes_) for side in SIDES]
        for i, step in enumerate(g.steps):
            ratio = f"{step.race.ratio().median:.2f}"
            cells = [*times[0][i], *times[1][i], ratio, *memory[0][i], *memory[1][i]]
            name = g.axis.removesuffix("_size")
            table.add_row(g.model, f"{name} {g.values[i]}", *cells, end_section=i == len(g.steps) - 1)
    return _titled("growth: each setting doubled, and doubled again; ×: of the row above", table)


def _column(values: Sequence[float], written: Callable[[float], str]) -> list[tuple[str, str]]:
    return [(written(v), f"{v / values[i - 1]:.2f}" if i else "") for i, v in enumerate(values)]


def goals(measured: Sequence[Goal]) -> Group:
    """What was to be reached, and what was."""
    table = _table()
    table.add_column("")
    table.add_column("", no_wrap=True)
    _numbers(table, "measured", "at most")
    table.add_column("", overflow="fold", style="dim")
    for g in measured:
        numbers = (duration(n) if g.unit == "s" else f"{n:.2f}" for n in (g.measured, g.limit))
        mark = Text("✓", style="green") if g.holds else Text("✗", style="bold red")
        table.add_row(mark, g.name, *numbers, g.detail)
    return _titled("goals, manual / twin", table)


def spread(ratio: Spread) -> str:
    """The median, and the quartiles after it.

    >>> spread(Spread(0.914, 0.93, 0.951))
    '0.93 (0.91–0.95)'
    """
    return f"{ratio.median:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"


def _ratio(manual: int | None, twin: int | None) -> str:
    """–: unknown, or nothing by neither."""
    if manual is None or twin is None or manual == twin == 0:
        return "–"
    return f"{manual / twin:.2f}" if twin else "∞"


def _table() -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)


def _titled(title: str, table: Table) -> Group:
    return Group(Text(title, style="bold"), table)


def _numbers(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
