"""Augmentation: each picture its own change, nothing else touched, the same for the same seed."""

import pytest
import torch

from experiments.training import augment

LAYOUTS = [torch.contiguous_format, torch.channels_last]
DTYPES = [torch.uint8, torch.bfloat16, torch.float16, torch.float32, torch.float64]


def _seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def _images(count=64, height=8, width=8, dtype=torch.uint8, layout=torch.contiguous_format):
    images = torch.randint(1, 256, (count, 3, height, width), generator=_seeded(9))
    return images.to(dtype).contiguous(memory_format=layout)


CHANGES = {
    "random_flip": lambda x, g: augment.random_flip(x, g),
    "alternating_flip": lambda x, g: augment.alternating_flip(x, torch.arange(len(x)), 0, g.initial_seed()),
    "random_crop": lambda x, g: augment.random_crop(x, 2, g),
    "cutout": lambda x, g: augment.cutout(x, 3, g),
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_shape_dtype_layout_and_seed(change, dtype, layout):
    images = _images(dtype=dtype, layout=layout)
    before = images.clone()
    changed = change(images, _seeded())
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert changed.stride() == images.stride()
    assert torch.equal(images, before)
    assert changed.data_ptr() != images.data_ptr()
    assert not torch.equal(changed, images)
    assert torch.equal(changed, change(images, _seeded()))
    assert not torch.equal(changed, change(images, _seeded(1)))
    # The layout and the dtype change no number.
    assert torch.equal(changed.double(), change(_images(), _seeded()).to(dtype).double())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_empty_batch(change):
    assert change(torch.empty(0, 3, 8, 8), _seeded()).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("flip", [CHANGES["random_flip"], CHANGES["alternating_flip"]])
def test_half_of_the_pictures_are_mirrored_and_the_others_left(flip):
    images = _images(2000)
    changed = flip(images, _seeded())
    mirrored = (changed == images.flip(3)).flatten(1).all(1)
    left = (changed == images).flatten(1).all(1)
    assert (mirrored ^ left).all()
    assert 900 < mirrored.sum() < 1100  # 4.5 standard deviations


def test_two_epochs_show_both_sides():
    images, indices = _images(200), torch.randperm(50_000, generator=_seeded())[:200]
    epochs = [augment.alternating_flip(images, indices, epoch, 7) for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[1].flip(3))
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])


def test_the_first_side_belongs_to_the_picture_not_to_its_place_in_the_batch():
    images, indices = _images(200), torch.arange(200)
    order = torch.randperm(200, generator=_seeded())
    shuffled = augment.alternating_flip(images[order], indices[order], 0, 7)
    assert torch.equal(shuffled, augment.alternating_flip(images, indices, 0, 7)[order])


def test_first_sides_of_neighbours_and_seeds_are_independent():
    sides = torch.stack([augment._bits(torch.arange(50_000), seed) for seed in range(8)]).double()
    assert (sides.mean(1) - 0.5).abs().max() < 0.012  # 5 standard deviations
    assert (torch.corrcoef(sides) - torch.eye(8)).abs().max() < 0.025
    pairs = torch.stack([sides[:, :-1].flatten(), sides[:, 1:].flatten()])
    assert torch.corrcoef(pairs)[0, 1].abs() < 0.01


def test_a_crop_is_a_window_of_the_reflected_picture_and_all_windows_come():
    pad = 2
    images = _images(2000, 6, 9, torch.float32)
    changed = augment.random_crop(images, pad, _seeded())
    padded = torch.nn.functional.pad(images, (pad,) * 4, mode="reflect")
    windows = padded.unfold(2, 6, 1).unfold(3, 9, 1)  # N, 3, 5, 5, 6, 9
    same = (windows == changed[:, :, None, None]).flatten(4).all(4).all(1)  # N, 5, 5
    assert (same.flatten(1).sum(1) == 1).all()
    counts = same.sum(0)
    assert counts.shape == (5, 5)
    assert counts.min() > 40  # 80 expected, 4.5 standard deviations
    assert counts.max() < 120


def test_shifts_average_out():
    ramp = torch.arange(32.0).expand(4000, 1, 32, 32)
    middle = augment.random_crop(ramp, 2, _seeded())[..., 16]
    assert middle.mean().sub(16).abs() < 0.1  # 4.5 standard deviations
    assert middle.var().sub(2).abs() < 0.2


def test_a_crop_without_a_border_changes_nothing():
    images = _images()
    assert torch.equal(augment.random_crop(images, 0, _seeded()), images)


@pytest.mark.parametrize("pad", [-1, 8])
def test_a_border_must_fit_the_picture(pad):
    with pytest.raises(ValueError, match=f"pad must be 0 to 7, and is {pad}"):
        augment.random_crop(_images(), pad, _seeded())


@pytest.mark.parametrize("size", [4, 5])
def test_cutout_blanks_one_square_and_nothing_else(size):
    images = _images(4000, 12, 12)
    changed = augment.cutout(images, size, _seeded())
    blank = (changed == 0).all(1)
    assert torch.equal((changed == 0).any(1), blank)
    assert torch.equal(changed[~blank[:, None].expand_as(images)], images[~blank[:, None].expand_as(images)])
    rows, columns = blank.any(2), blank.any(1)
    assert torch.equal(blank, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).max() == columns.sum(1).max() == size
    for lines in (rows, columns):
        assert (lines.long().diff(dim=1).abs().sum(1) <= 2).all()  # one run of lines
    # The centre is anywhere, each line with the same chance.
    starts = columns.long().argmax(1)[columns.sum(1) == size]
    assert len(starts.unique()) == 12 - size + 1
    assert (columns.double().mean(0)[size - 1 : 1 - size] - size / 12).abs().max() < 0.04


def test_cutout_fills_with_what_is_asked():
    changed = augment.cutout(_images(dtype=torch.float32), 3, _seeded(), fill=-7.5)
    assert (changed == -7.5).flatten(1).any(1).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_seed_means_the_same_on_a_gpu(change):
    images = _images(dtype=torch.float32, layout=torch.channels_last)
    assert torch.equal(change(images.cuda(), _seeded()).cpu(), change(images, _seeded()))
