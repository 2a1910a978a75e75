"""Pictures, and weights as pictures."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from experiments.lessons.figures import style


def gallery(images: Tensor, titles: Sequence[str] = (), columns: int = 5) -> Figure:
    """Images from 0 to 1, (N, 3, H, W), in rows of ``columns``, each under its title if there are any."""
    rows = -(-len(images) // columns)
    figure = style.new(6.6, rows * (6.6 / columns + (0.24 if titles else 0.0)))
    for i, image in enumerate(images):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
        axes.axis("off")
        if titles:
            axes.set_title(titles[i], fontsize=10)
    return figure


def as_pictures(weight: Tensor, side: int = 32) -> Tensor:
    """Rows of weights for pixels, (N, 3·side²), as images (N, 3, side, side): 0 is grey, the row's largest is 0 or 1.

    >>> import torch
    >>> as_pictures(torch.tensor([[0.0, 2.0, -1.0]]), side=1).flatten()
    tensor([0.5000, 1.0000, 0.2500])
    """
    largest = weight.abs().amax(1, keepdim=True).clamp_min(1e-12)
    return (0.5 + weight / (2 * largest)).reshape(-1, 3, side, side)


def templates(weight: Tensor, titles: Sequence[str] = (), columns: int = 5) -> Figure:
    """Rows of weights for 32×32 pixels of three colours, each as a picture."""
    return gallery(as_pictures(weight), titles, columns)


def four_pixels(pixels: Tensor, weight: Tensor, bias: Tensor, scores: Tensor, classes: Sequence[str]) -> Figure:
    """A picture of 2×2 pixels as a column of numbers, and W x + b = s beside it."""
    figure = style.new(7, 2.7)
    picture, axes = figure.subplots(1, 2, width_ratios=(1, 3.6))
    picture.imshow(pixels.reshape(2, 2).numpy(), cmap="gray", vmin=0, vmax=300)
    for i, value in enumerate(pixels.tolist()):
        colour = "black" if value > 130 else "white"
        picture.text(i % 2, i // 2, f"{value:g}", color=colour, ha="center", va="center", fontsize=12)
    picture.set_title("pixels")
    picture.axis("off")
    axes.set(xlim=(-0.6, 9.6), ylim=(3.7, -0.9))
    axes.axis("off")
    blocks: list[tuple[str, float, Tensor]] = [("W", 0, weight), ("x", 4.8, pixels[:, None])]
    blocks += [("b", 6.5, bias[:, None]), ("s", 8.4, scores[:, None])]
    for name, left, block in blocks:
        rows, columns = block.shape
        top = 0.5 if rows == 3 else 0.0
        axes.text(left + (columns - 1) / 2, top - 0.75, name, ha="center", va="center", color=style.BLUE)
        for edge, lip in ((left - 0.48, 0.1), (left + columns - 0.52, -0.1)):
            ends = [edge + lip, edge, edge, edge + lip]
            axes.plot(ends, [top - 0.4, top - 0.4, top + rows - 0.6, top + rows - 0.6], "-", color=style.GREY, lw=1)
        for i, row in enumerate(block.tolist()):
            for j, value in enumerate(row):
                axes.text(left + j, top + i, f"{value:g}".replace("-", "−"), ha="center", va="center")
    for left, sign in ((3.9, "·"), (5.65, "+"), (7.35, "=")):
        axes.text(left, 1.5, sign, ha="center", va="center", fontsize=13)
    for i, name in enumerate(classes):
        axes.text(9.05, 0.5 + i, name, ha="left", va="center", color=style.GREY)
    return figure
