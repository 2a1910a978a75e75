"""What TensorBoard shows of a run."""

from pathlib import Path

from torch import nn
from torch.utils.tensorboard import SummaryWriter

from experiments.training.train import Progress


class Dashboard:
    """Loss, accuracy and learning rate by step, the gradient's norm by layer, validation by step."""

    def __init__(self, folder: Path, every: int, done: int | None = None):
        # Of a run that was stopped, the steps after the first ``done`` are made once more.
        self._writer = SummaryWriter(str(folder), purge_step=None if done is None else done + 1)
        self._every = every

    def step(self, progress: Progress, model: nn.Module) -> None:
        if progress.step % self._every and progress.step != progress.steps:
            return
        scalars = {
            "training/loss": progress.loss.item(),
            "training/accuracy": progress.right.item() / progress.examples,
            "training/learning rate": progress.learning_rate,
        }
        if progress.penalty is not None:
            scalars["training/penalty"] = progress.penalty.item()
        for name, p in model.named_parameters():
            if p.grad is not None:
                scalars[f"gradient norm/{name}"] = p.grad.norm().item()
        self._add(scalars, progress.step)

    def evaluation(self, split: str, loss: float, accuracy: float, step: int) -> None:
        self._add({f"{split}/loss": loss, f"{split}/accuracy": accuracy}, step)

    def text(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)

    def close(self) -> None:
        self._writer.close()

    def _add(self, scalars: dict[str, float], step: int) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()
