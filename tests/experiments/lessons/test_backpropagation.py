"""What the rows on backpropagation rest on: the table of layers, and the frames of golden A."""

from functools import partial

import pytest
import torch

from experiments.lessons.figures.chain import chain
from experiments.lessons.figures.files import drawn
from experiments.lessons.goldens import W1, W2, A, B, X
from experiments.lessons.lockstep import beside_autograd, beside_manualnet
from experiments.lessons.tables import layer_table
from experiments.lessons.work import Drawing, Slip, agree
from manualnet import functional as F
from manualnet import graph
from manualnet.handwritten import foreign_nodes


def network(*sizes, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shapes = zip(sizes[1:], sizes, strict=False)
    return [torch.randn(rows, columns + 1, generator=draw, dtype=torch.float64) for rows, columns in shapes]


@pytest.mark.parametrize("sizes", [(2, 1), (2, 3, 2), (3, 4, 4, 2, 3)])
@pytest.mark.parametrize("examples", [(), (5,)], ids=["one", "batch"])
def test_the_table_is_autograds(sizes, examples):
    weights = network(*sizes)
    x, t = torch.randn(*examples, sizes[0]).double(), torch.rand(*examples, sizes[-1]).double()
    one = torch.ones(*examples, 1).double()
    table = layer_table([(W, F.tanh) for W in weights], torch.cat([one, x], -1), partial(F.squared_error, target=t))
    act, raws = x, []
    for W, line in zip(weights, table, strict=True):
        torch.testing.assert_close(line.inputs, torch.cat([one, act.detach()], -1))
        raws.append((torch.cat([one, act], -1) @ W.T).requires_grad_())
        act = torch.tanh(raws[-1])
        torch.testing.assert_close(line.act, act.detach())
    errs = torch.autograd.grad((act - t).square().sum() / 2, raws)
    torch.testing.assert_close([line.err for line in table], list(errs))
    torch.testing.assert_close([line.raw for line in table], [raw.detach() for raw in raws])


@pytest.mark.parametrize("golden", [A, B], ids=lambda golden: golden.title)
def test_the_goldens_expression_is_hand_written(golden):
    weights = W1.clone().requires_grad_(), W2.clone().requires_grad_()
    error = golden.error(*weights)
    assert foreign_nodes(error) == []
    assert agree(golden.numbers.E, error)
    assert all(map(agree, (golden.numbers.dW1, golden.numbers.dW2), torch.autograd.grad(error, weights)))
    hidden, output = golden.table
    assert agree(golden.numbers.delta_j, hidden.err)
    assert agree(golden.numbers.delta_k, output.err)


@pytest.mark.parametrize("beside", [beside_manualnet, beside_autograd])
def test_lockstep_notices_a_wrong_delta(beside, monkeypatch):
    def train():
        return beside(A.network(), X[1:].unsqueeze(0), torch.ones(1, 1).double(), eta=0.5, epochs=5)

    assert train().steps == 5
    assert train().apart < 1e-12 < train().moved
    right = A.algorithm.deltas
    monkeypatch.setattr(A.algorithm, "deltas", lambda self, z, y, t: (right(self, z, y, t)[0], 0 * z))
    assert train().apart > 1e-3


def _texts(drawing):
    return [text.get_text() for axes in drawn(drawing).axes for text in axes.texts]


def test_golden_as_frames_show_each_product_when_it_is_due(work_of):
    frames = [d for d in work_of("S55").of(Drawing) if "golden" in d.name]
    shown = [" ".join(_texts(frame)) for frame in frames]
    assert len(frames) == 7
    due = {
        1: "× 1 = [−0.520316]",
        2: "× [−0.520316] = [−0.129864]",
        3: "[[−0.129864, −0.064932, −0.104175]]",
        4: "\n   = [−0.090905, 0.077919]",
        5: "× [−0.090905, 0.077919] = [−0.022726, 0.012365]",
        6: "[[−0.022726, −0.022726, −0.045453],\n [0.012365, 0.012365, 0.024729]]",
    }
    for number, text in due.items():
        assert [text in frame for frame in shown] == [i >= number for i in range(7)], text
    for local in ("∂y/∂aₖ = [0.249587]", "∂z/∂aⱼ = [0.25, 0.158685]", "∂E/∂y = [−0.520316]"):
        assert all(local in frame for frame in shown)
    assert "×" not in shown[0].replace("× upstream", "")


def test_all_of_a_frame_lies_on_the_paper():
    traced = graph.trace(A.error, W1=W1, W2=W2)
    figure = chain(traced, ["x", "a_j", "z", "z_1", "a_k", "y", "E"])
    figure.canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    for text in [text for text in figure.axes[0].texts if text.get_text()]:
        box = text.get_window_extent()
        assert box.x0 >= 0, text.get_text()
        assert box.x1 <= width, text.get_text()
        assert box.y0 >= 0
        assert box.y1 <= height


@pytest.mark.parametrize("row", ["S47", "S48", "S49", "S53", "S57", "S58"])
def test_each_slip_is_shown_beside_what_is_right(row, work_of):
    slips = work_of(row).of(Slip)
    assert slips
    for slip in slips:
        assert not agree(slip.slide, slip.right)


def test_the_stopping_figure_ends_each_line_by_its_rule(work_of):
    [drawing] = [d for d in work_of("S55").of(Drawing) if d.name == "S55-stopping"]
    [axes] = drawn(drawing).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [label.split(": ")[1].split(",")[0] for label in labels] == [
        "all errors are small",
        "the error stopped falling",
        "the error stopped falling",
    ]
