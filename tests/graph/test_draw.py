"""Pictures: all that is known is in them, nothing lies on anything else, and nothing outside of them changes."""

import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch, PathPatch

from manualnet import functional as F
from manualnet.graph import name, trace

from .expressions import GOLDEN_A, LECTURE, lecture, normal, twelve_inputs, twelve_nodes, two_layers


def branches(x, y):
    s = F.sigmoid(x)
    u = s * y
    v = s + u
    w = F.tanh(v * s)
    m = F.relu(w - y)
    L = (m * u + s) * w
    return L  # noqa: RET504


GRAPHS = {
    "lecture": lambda: trace(lecture, **LECTURE),
    "golden_a": lambda: trace(two_layers, **GOLDEN_A),
    "twelve": lambda: trace(twelve_nodes, **twelve_inputs()),
    "branches": lambda: trace(branches, x=0.5, y=2.0),
    "twice": lambda: trace(lambda a: (a + a) + (a + a), a=1.0),
    "images": lambda: trace(lambda x, w: F.relu(F.conv2d(x, w)).mean(), x=normal(2, 3, 6, 6), w=normal(4, 3, 3, 3)),
    "several_numbers": lambda: trace(lambda x: F.softmax(x, 0), x=[1.0, 2.0, 3.0]),
    "one_node": lambda: trace(lambda x: x, x=1.0),
    "unused": lambda: trace(lambda x, y: x * x, x=1.0, y=2.0),
}


def frames(graph):
    return [graph.draw(), graph.draw(gradients=False), *(graph.draw(step) for step in graph.steps)]


def written(figure) -> list[str]:
    return [line for text in figure.axes[0].texts for line in text.get_text().splitlines()]


def in_svg(svg: str) -> str:
    """All text of a picture, a line a line."""
    return "\n".join(
        "".join(e.itertext()) for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_no_text_lies_on_a_text_a_box_or_a_line_or_leaves_the_picture(name):
    torch.manual_seed(0)
    for figure in frames(GRAPHS[name]()):
        renderer, axes = FigureCanvasAgg(figure).get_renderer(), figure.axes[0]
        texts = {t: t.get_window_extent(renderer) for t in axes.texts}
        boxes = [p.get_window_extent(renderer) for p in axes.patches if isinstance(p, FancyBboxPatch)]
        for (a, inside), (b, other) in combinations(texts.items(), 2):
            assert not inside.padded(-1).overlaps(other.padded(-1)), (a.get_text(), b.get_text())
        for text, extent in texts.items():
            assert figure.bbox.x0 <= extent.x0
            assert extent.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= extent.y0
            assert extent.y1 <= figure.bbox.y1
            on = [box for box in boxes if box.overlaps(extent.padded(-1))]
            held = [box for box in on if box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0]
            assert on == held, text.get_text()
            for line in axes.patches:
                if isinstance(line, PathPatch):
                    path = line.get_transform().transform_path(line.get_path())
                    assert not path.intersects_bbox(extent.padded(-2), filled=False), text.get_text()
        for a, b in combinations(boxes, 2):
            assert not a.overlaps(b)


@pytest.mark.parametrize("name", ["lecture", "golden_a", "twelve", "branches"])
def test_every_node_value_and_gradient_is_in_the_svg(name):
    torch.manual_seed(0)
    graph = GRAPHS[name]()
    text = in_svg(graph.svg())
    for node in graph.nodes:
        assert node.name in text
        for number in [*node.value.flatten(), *([] if node.upstream is None else node.upstream.flatten())]:
            assert f"{number.item() + 0.0:.4g}".replace("-", "−") in text


def test_the_lectures_frames_show_what_is_known_and_nothing_else():
    graph = trace(lecture, **LECTURE)
    first, second = graph.steps
    forward = written(graph.draw(gradients=False))
    local = ["∂q/∂x = 1", "∂q/∂y = 1", "∂f/∂q = −4", "∂f/∂z = 3"]
    values = ["−2", "5", "−4", "q = 3", "f = −12", "+", "×"]
    assert set(local + values) <= set(forward)
    assert not [line for line in forward if line.startswith(("∂f/∂x", "∂f/∂y", "∂f/∂f", "× −", "× 1"))]
    after_f = written(graph.draw(first))
    assert {*local, *values, "∂f/∂f = 1", "× 1 = −4", "× 1 = 3", "Step 1 of 2: f = q × z"} <= set(after_f)
    assert not [line for line in after_f if line.startswith(("∂f/∂x", "∂f/∂y", "× −4"))]
    assert written(graph.draw(second)).count("× −4 = −4") == 2
    assert {"∂f/∂x = −4", "∂f/∂y = −4"} <= set(written(graph.draw(second)))


def test_a_result_with_a_long_name_is_called_l():
    lines = written(trace(twelve_nodes, **twelve_inputs()).draw())
    assert {"L = total: values and gradients", "∂L/∂total = 1"} <= set(lines)
    assert "∂total/∂L = 1" in written(trace(lambda L: name("total", L * 1), L=1.0).draw())


def test_a_gradient_that_is_incomplete_says_so():
    graph = trace(branches, x=0.5, y=2.0)
    lines = [written(graph.draw(step)) for step in graph.steps]
    partial = [any(line.startswith("∂L/∂s ") and line.endswith("+ …") for line in frame) for frame in lines]
    complete = [any(line.startswith("∂L/∂s ") and not line.endswith("+ …") for line in frame) for frame in lines]
    assert partial.index(True) < complete.index(True)
    assert not any(p and c for p, c in zip(partial, complete, strict=True))


def test_the_node_that_is_handled_stands_out_in_grey_too():
    graph = trace(lecture, **LECTURE)
    axes = graph.draw(graph.steps[0]).axes[0]
    boxes = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
    assert [b.get_linewidth() > 2 for b in boxes] == [False, False, False, False, True]
    edges = [p.get_linewidth() > 2 for p in axes.patches if isinstance(p, PathPatch)]
    assert edges == [False, False, True, True]


@pytest.mark.parametrize("name", GRAPHS)
def test_all_frames_have_one_size(name):
    torch.manual_seed(0)
    assert len({tuple(figure.get_size_inches()) for figure in frames(GRAPHS[name]())}) == 1


def test_inputs_stand_at_the_left_and_the_result_at_the_right():
    graph = trace(two_layers, **GOLDEN_A)
    axes = graph.draw().axes[0]
    centres = [p.get_x() + p.get_width() / 2 for p in axes.patches if isinstance(p, FancyBboxPatch)]
    at = dict(zip([n.name for n in graph.nodes], centres, strict=True))
    assert len({round(at[k]) for k in ("x", "W1", "W2", "t")}) == 1
    assert at["x"] < at["a1"] < at["z"] < at["z1"] < at["a2"] < at["y"] < at["E"]


def test_the_settings_of_others_neither_change_nor_matter():
    plain = trace(lecture, **LECTURE).svg()
    with mpl.rc_context({"savefig.facecolor": "black", "text.color": "white", "font.size": 30, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert in_svg(trace(lecture, **LECTURE).svg()) == in_svg(plain)
        assert dict(mpl.rcParams) == before
    assert trace(lecture, **LECTURE).svg() == plain


def test_a_name_with_dollar_signs_is_no_formula():
    assert "$a$" in written(trace(lambda **kw: kw["$a$"] * 2, **{"$a$": 1.0}).draw())


def test_a_notebook_shows_the_graph_and_each_step():
    graph = trace(lecture, **LECTURE)
    assert graph._repr_svg_() == graph.svg()
    assert "Step 2 of 2" in in_svg(graph.steps[1]._repr_svg_())


def test_a_png_has_the_size_that_was_asked_for(tmp_path):
    trace(lecture, **LECTURE).draw().savefig(tmp_path / "graph.png", dpi=50)
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_drawing_is_imported_when_something_is_drawn():
    code = (
        "import sys; from manualnet.graph import trace; g = trace(lambda x: x * x, x=1.0); str(g)\n"
        "print([m for m in ('matplotlib', 'networkx') if m in sys.modules])\n"
        "g.svg(); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]
