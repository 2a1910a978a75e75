"""The page of the lecture, without a browser: what is in it, where its links lead, and that it needs nothing else."""

import re

import pytest

from experiments import lecture
from experiments.lessons.contents import PARTS, ROWS, find
from experiments.lessons.figures import style
from experiments.lessons.show import page
from experiments.lessons.show.prose import Prose, formula
from experiments.lessons.work import Claim, Drawing, Number, Question, Work


@pytest.fixture
def html(work_of):
    """The page of rows by their names; ``changed`` are works in the place of what the rows work out."""

    def render(*names, **changed):
        works = {name: work_of(name) for name in names} | changed
        return page.html([find(name) for name in works], works)

    return render


@pytest.fixture
def whole(html):
    return html(*(row.name for row in PARTS[4].rows))


def element(html, row):
    """The article of a row, and it alone."""
    return re.search(rf'<article id="{row.lower()}".*?</article>', html, re.DOTALL)[0]


def test_a_row_shows_all_that_it_works_out(html, work_of):
    found = element(html("S24"), "S24")
    assert found.count('class="holds"') == len(work_of("S24").of(Number) + work_of("S24").of(Claim))
    assert '<td class="value short" data-label="computed">[2.9, 0, 12.9]</td>' in found
    assert "max(0, 2.9) + max(0, −3.9)" in found
    (question,) = work_of("S24").of(Question)
    asked, _, answered = found.partition("<details>\n<summary>Answer")
    assert question.text in asked
    assert all(why.replace("'", "&#39;") in answered.replace("'", "&#39;") for why in question.mistakes)
    assert '<a href="#manualnet-functional-losses-hinge_loss-' in found


def test_a_slip_stands_beside_what_is_right(html):
    work = Work()
    work.slip("half of it", slide=[[1.0, 2.0], [3.0, 4.0]], right=0.5)
    found = element(html(S24=work), "S24")
    assert re.search(
        r"⚠ half of it.*on the slide</dt><dd[^>]*>\[\[1, 2\],\n \[3, 4\]\].*right</dt><dd[^>]*>0.5<", found, re.S
    )


def test_the_gradient_by_hand_is_the_source(html):
    found = re.sub(r"<[^>]+>", "", element(html("S24"), "S24"))
    assert "∂L_i/∂s_ij = m_ij for j ≠ y" in found
    assert "def backward(ctx, grad_out):" in found
    assert "def forward" not in found


def test_what_does_not_hold_is_told(html):
    work = Work()
    work.expect("the number", 1.0, 2.0)
    work.claim("one & one is < two", False)
    text = html("S23", S24=work)
    assert "2 do not hold" in text
    assert element(text, "S24").count("✗ does not hold") == 2
    assert "one &amp; one is &lt; two" in text
    assert "all hold" not in text


def test_an_exercise_hides_what_it_works_out(html):
    work = Work()
    work.ask("2 + 2?", 4)
    work.ask("2 · 3?", 6)
    work.expect("2 + 2", 4, 2 + 2)
    found = element(html(S61=work), "S61")
    assert re.search(r'<details class="worked">.*<table class="numbers">.*</table>\s*</details>', found, re.DOTALL)


def test_the_same_source_gives_the_same_bytes(html):
    once = html("S7", "S24")
    assert "<svg" in element(once, "S7")
    assert once == html("S7", "S24")


def test_figures_have_ids_of_their_own(work_of):
    (drawing, *_) = work_of("S7").of(Drawing)
    one = page.figure(drawing)
    two = page.figure(Drawing("another", "", drawing.draw))
    first, second = (set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, two))
    assert first
    assert not first & second
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', one))
    assert used
    assert used <= first
    assert "<style" not in one
    assert "<metadata" not in one


def test_a_picture_that_is_shown_twice_has_no_id_twice():
    def twice():
        figure = style.new()
        for axes in figure.subplots(1, 2):
            axes.imshow([[0, 1], [1, 0]])
        return figure

    found = page.figure(Drawing("S1-twice", "", twice))
    assert found.count("<image") == 2
    ids = re.findall(r'\bid="([^"]+)"', found)
    assert len(ids) == len(set(ids))


def test_frames_of_a_sequence_are_side_by_side(html, work_of):
    names = [drawing.name for drawing in work_of("S59").of(Drawing)]
    assert names == ["S59-0", "S59-1", "S59-2"]
    (strip,) = re.findall(r'<div class="frames">.*?</div></div>', html("S59"), re.DOTALL)
    assert strip.count("<figure>") == 3
    assert '<span class="number">2 of 3</span>' in strip
    assert 'class="frames"' not in html("S7")


def test_links_lead_to_what_the_page_has(html):
    found = element(html("S23"), "S23")
    assert "S24" in found
    assert 'href="#s24"' not in found
    assert 'href="#s24"' in element(html("S23", "S24"), "S23")


def test_it_loads_nothing(whole):
    assert "<script" not in whole
    assert "@import" not in whole
    assert re.findall(r"\b(?:src|srcset|action|poster)=|url\((?!#)|<(?:iframe|object|embed|base)\b", whole) == []
    assert re.findall(r'<link [^>]*href="(?!data:)', whole) == []


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("a $`x_1 < 2`$ b", "<mo>&lt;</mo>|<mo>&#x0003C;</mo>"),
        ("```math\nx = \\frac{1}{2}\n```", r'<div class="formula"><math [^>]*display="block".*<mfrac>'),
        ("| a |\n|---|\n| $`x`$ |", r'<div class="scroll"><table>(?s:.)*<td><span class="math"><math'),
        ("⚠ Beware.", '<p class="caution">⚠ Beware.</p>'),
        ("```python\n>>> 1 + 1\n2\n```", '<span class="gp">&gt;&gt;&gt; </span>'),
        ("```\na < b\n```", "<pre><code>a &lt; b"),
        ("[here](#s1) and [`code`](../a.py)", '<p>here and <a href="#a"><code>code</code></a></p>'),
    ],
)
def test_markdown(markdown, expected):
    prose = Prose(lambda address: {"../a.py": "#a"}.get(address))
    assert re.search(expected, prose.text(markdown))


def test_a_long_formula_may_leave_its_line_on_a_phone():
    prose = Prose(lambda address: None)
    assert 'class="math long"' in prose.text("$`" + "x + " * 30 + "y`$")
    assert 'class="math long"' not in prose.text("$`x + y`$")


def test_equations_side_by_side_may_stand_one_below_the_other():
    assert formula(r"x = 1, \qquad y = 2, \quad z = 3").count("<math") == 3
    assert formula(r"x = \begin{cases} 1 \qquad 2 \end{cases}").count("<math") == 1


def test_the_program_writes_it(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        lecture.main(["--part", "hinge", "--html", "--output", str(tmp_path / "new")])
    assert stop.value.code == 0
    path = tmp_path / "new" / "index.html"
    assert capsys.readouterr().out.split() == [str(path)]
    text = path.read_text(encoding="utf-8")
    assert re.findall(r'<article id="(s\d+)"', text) == ["s23", "s24", "s25", "s26", "s27"]
    assert f"in {len(ROWS)} rows, 5 of them on this page" in text
