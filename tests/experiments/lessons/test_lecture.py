"""The program: lists, shows, asks and draws; a mistake in the call is one line."""

import io
import re

import pytest

from experiments import lecture


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the program with its output folder in ``tmp_path``: exit status, standard output, standard error."""

    def call(*arguments, lines=()):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        with pytest.raises(SystemExit) as stop:
            lecture.main([*arguments, "--output", str(tmp_path / "out")])
        told = capsys.readouterr()
        return stop.value.code or 0, told.out, told.err

    return call


def test_it_lists_the_parts(run):
    status, out, _ = run()
    assert status == 0
    assert re.search(r"backpropagation +S47–S58", out)


def test_a_row_prints_formula_steps_numbers_and_code(run):
    status, out, _ = run("--row", "s24")
    assert status == 0
    assert "max(0, sⱼ − s_(yᵢ) + 1)" in out
    assert "max(0, 2.9) + max(0, −3.9)" in out
    assert re.search(r"L_i +\[2.9, 0, 12.9\] +\[2.9, 0, 12.9\] +✓", out)
    assert re.search(r"manualnet/functional/losses/hinge_loss.py:\d+", out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_part_shows_its_rows(run):
    _, out, _ = run("--part", "hinge")
    assert re.findall(r"^(S\d+) ", out, re.MULTILINE) == ["S23", "S24", "S25", "S26", "S27"]
    assert "5 rows, " in out
    assert "all hold" in out


def test_figures_are_files_and_in_tensorboard(run, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, out, _ = run("--row", "S59")
    files = sorted(path.stem for path in (tmp_path / "out" / "figures").iterdir())
    assert files
    assert all(f"{name}.svg" in out.replace("\n", "") for name in files)
    events = EventAccumulator(str(tmp_path / "out"))
    events.Reload()
    assert sorted(tag.replace("/", "-") for tag in events.Tags()["images"]) == files


def test_figures_can_be_left_out(run, tmp_path):
    run("--row", "S59", "--no-figures")
    assert not (tmp_path / "out").exists()


def test_a_number_that_does_not_come_out_fails(run, monkeypatch):
    monkeypatch.setattr("experiments.lessons.rows.hinge.SCORES", 2 * lecture.contents.PARTS[4].module.SCORES)
    status, out, _ = run("--row", "S26")
    assert status == 1
    assert "✗ does not hold" in out
    assert "2 do not hold" in out


def test_the_quiz_asks(run):
    status, out, _ = run("--row", "S26", "--quiz", lines=["15.8", "5.267"])
    assert status == 0
    assert "that is the sum" in out
    assert "1 of 1 right" in out
    assert "5.266667" not in out


def test_the_quiz_ends_with_its_input(run):
    status, out, _ = run("--part", "hinge", "--quiz", lines=["12.9"])
    assert status == 0
    assert "1 of 2 right" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", "S62"], "error: --row S62: there is no such row; they are S1 to S61"),
        (["--row", ""], "error: --row : there is no such row"),
        (["--part", "backprop"], "error: --part backprop: there is no such part; they are layers, "),
        (["--part", "hinge", "--all"], "error: --part, --row and --all name rows in three ways: give one of them"),
        (["--row", "S20", "--data-dir", "/nowhere"], "error: --data-dir /nowhere does not exist"),
        (["--grade", "/nowhere"], "error: "),
        (["--markdown", "rows.md", "--row", "S24"], "error: --markdown writes all rows: leave out --row and --part"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    status, _, err = run(*arguments)
    assert status == 2
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "out").write_text("a file")
    status, _, err = run("--row", "S59")
    assert status == 2
    assert err.startswith("error: ")
    assert "write to another place" in err
    assert err.count("\n") == 1
