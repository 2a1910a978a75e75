"""Train a network on CIFAR-10 with hand-written gradients: ``python -m experiments.cifar --help``."""

# ruff: noqa: E402
from experiments.training import allocator

# Before torch starts: it reads the allocator's settings once.
allocator.tame()

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from experiments.training import checkpoint, data, recipes, results
from experiments.training.config import Config, check
from experiments.training.dashboard import Dashboard
from experiments.training.device import pick_device, pick_precision, storage_dtype
from experiments.training.errors import UsageError, reported
from experiments.training.evaluate import accuracy, accuracy_by_class
from experiments.training.pictures import Pictures, scale_of
from experiments.training.terminal import Terminal
from experiments.training.train import Progress, Trainer, synchronize


def run(config: Config) -> dict:
    """One run from the data to ``result.json``; returns what that file holds."""
    check(config)
    device = pick_device(config.device)
    precision = pick_precision(config.precision, device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    dataset = data.load(config.dataset, config.data_dir, config.data_url)
    config = recipes.with_epochs(config, dataset.name)
    trainer = Trainer(config, device, precision)
    folder = config.resume or results.make_folder(config)
    used = {"dataset_used": dataset.name, "precision_used": precision, "device_used": str(device)}
    with _told(folder):
        if not config.resume:
            results.write_json(folder / checkpoint.CONFIG, config.record() | used)
        with results.held(folder / checkpoint.CONFIG):
            return _train_and_test(config, dataset, trainer, folder)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Whatever stops a run, its user learns how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nstopped; --resume {folder} goes on after its last whole epoch", file=sys.stderr)
        raise
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror or error}"
        raise UsageError(
            f"{what}; once that is mended, --resume {folder} goes on after its last whole epoch"
        ) from error


def _train_and_test(config: Config, dataset: data.Dataset, trainer: Trainer, folder: Path) -> dict:
    device, precision = trainer.device, trainer.precision
    state = checkpoint.load(folder, trainer) if config.resume else None
    clock = time.perf_counter()
    train, validation, test = _pictures(dataset, config, device, storage_dtype(precision))
    synchronize(device)
    normalise_seconds = time.perf_counter() - clock
    steps = trainer.steps(len(train))
    done = state["step_count"] if state else 0
    dashboard = Dashboard(folder, every=max(1, steps // 500), done=done if config.resume else None)
    batch = min(config.batch_size, len(train))
    terminal = Terminal(steps * batch, done * batch)
    terminal.say(
        f"{config.recipe or config.model} on {dataset.name}: {len(train):,} pictures, {steps:,} steps, "
        f"{config.gradients} gradients, {device}, {precision}\n"
        f"{folder}, watch it with: tensorboard --logdir {folder.parent}"
    )
    if state:
        terminal.say(f"goes on after epoch {state['epoch']}, step {done:,}")
    clock = time.perf_counter()

    def each_step(progress: Progress) -> None:
        dashboard.step(progress, trainer.model)
        terminal.step(progress)

    def each_epoch(epoch: int) -> None:
        nonlocal clock
        seconds = time.perf_counter() - clock
        right = None
        if validation is not None:
            out = trainer.evaluate(validation, views="one")
            right = accuracy(out, validation.labels)
            dashboard.evaluation("validation", trainer.loss(out, validation.labels), right, trainer.step_count)
        checkpoint.save(folder, trainer.state_dict())
        terminal.epoch(epoch, seconds, right)
        clock = time.perf_counter()

    try:
        train_seconds = trainer.fit(train, each_step, each_epoch, state)
    finally:
        terminal.close()
    validation_accuracy = None
    if validation is not None:
        validation_accuracy = accuracy(trainer.evaluate(validation), validation.labels)
    test_accuracy = by_class = test_seconds = None
    if test is not None:
        clock = time.perf_counter()
        out = trainer.evaluate(test)
        test_accuracy = accuracy(out, test.labels)
        test_seconds = round(time.perf_counter() - clock, 2)
        right = accuracy_by_class(out, test.labels, len(dataset.classes))
        by_class = dict(zip(dataset.classes, right, strict=True))
        dashboard.evaluation("test", trainer.loss(out, test.labels), test_accuracy, trainer.step_count)
    dashboard.close()
    result = {
        "dataset": dataset.name,
        "model": config.model,
        "recipe": config.recipe,
        "gradients": config.gradients,
        "device": str(device),
        "precision": precision,
        "autocast": precision == "bfloat16",
        "seed": config.seed,
        "epochs": config.epochs,
        "steps": trainer.step_count,
        "train_on_all": config.train_on_all,
        "train_pictures": len(train),
        "normalise_seconds": round(normalise_seconds, 2),
        "train_seconds": round(train_seconds, 2),
        "test_seconds": test_seconds,
        "resumed_after": trainer.resumed_after,
        "val_accuracy": validation_accuracy,
        "test_accuracy": test_accuracy,
        "test_accuracy_by_class": by_class,
        "test_views": config.test_views,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "versions": results.versions(),
        "machine": results.machine(device),
        "config": config.record(),
    }
    results.write_json(folder / "result.json", result)
    terminal.say(_summary(result, folder))
    return result


def _pictures(
    dataset: data.Dataset, config: Config, device, dtype
) -> tuple[Pictures, Pictures | None, Pictures | None]:
    """Training, validation (None where all are trained on) and test pictures (None where they are left alone)."""
    held_out = len(dataset.train_labels) // 10
    chosen, kept = data.split(dataset, held_out)
    everything = torch.cat([chosen, kept])
    scale = scale_of(dataset.train_images[everything if config.train_on_all else chosen])

    def pictures(images, labels) -> Pictures:
        return Pictures(images, labels, scale, device, dtype)

    if config.train_on_all:
        chosen = everything
    train = pictures(dataset.train_images[chosen], dataset.train_labels[chosen])
    validation = None if config.train_on_all else pictures(dataset.train_images[kept], dataset.train_labels[kept])
    test = pictures(dataset.test_images, dataset.test_labels) if config.test else None
    return train, validation, test


def _summary(result: dict, folder: Path) -> str:
    lines = []
    if (by_class := result["test_accuracy_by_class"]) is not None:
        lines += ["", "test accuracy by class"]
        lines += [f"  {name:<12}{right:7.1%}  {'█' * round(30 * right)}" for name, right in by_class.items()]
    for split in ("val", "test"):
        if (right := result[f"{split}_accuracy"]) is not None:
            name = {"val": "validation accuracy", "test": "test accuracy"}[split]
            lines.append(f"{name:<20}{right:.2%}   ({result['test_views'].replace('_', ' ')})")
    lines.append(f"training took {result['train_seconds']:.1f} s; {folder / 'result.json'} holds it all")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    with reported():
        run(recipes.parse(arguments))


if __name__ == "__main__":
    main()
