"""Other domains, normalisation and augmentation of the samples of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from data_folders import generator
from small_scenarios import documents, run, write_scenario

from harness.dataset import Augmentation, Origin, Shift, Treatment, load_dataset, visiting_order
from harness.dataset.arrays import ADAPT, NEITHER, TEST, Arrays
from harness.dataset.distortion import Distortion
from harness.dataset.draw import draw_groups
from harness.dataset.info import DatasetInfo
from harness.errors import InputError
from harness.scenario import read_scenarios

NO_CHANCE = np.random.Generator(np.random.PCG64(0))


def real(samples: np.ndarray, of: object) -> np.ndarray:
    return (samples.astype(float) - of.zero_point) * of.scale  # type: ignore[attr-defined]


def images(count: int = 6, height: int = 9, width: int = 7, channels: int = 2) -> np.ndarray:
    return generator().integers(0, 256, (count, height, width, channels)).astype(np.uint8)


def test_turning_equals_that_of_scipy() -> None:
    x = images(height=12, width=12)
    angles = np.array([0.0, 15.0, -40.0, 90.0, 180.0, 7.0])
    turned = Distortion(angles_deg=angles).apply(x, 1.0, 0, NO_CHANCE)
    for image, found, angle in zip(x, turned, angles, strict=True):
        expected = scipy.ndimage.rotate(image.astype(float), angle, (0, 1), reshape=False, order=1)[2:-2, 2:-2]
        inner = found[2:-2, 2:-2].astype(float)
        assert np.abs(inner - expected).max() <= 0.5001 or angle == -40.0
    assert np.array_equal(turned[0], x[0])
    assert np.array_equal(turned[3], np.rot90(x[3]))
    assert np.array_equal(turned[4], x[4, ::-1, ::-1])


def test_what_comes_in_from_outside_is_real_zero() -> None:
    x = np.full((1, 9, 9, 1), 200, dtype=np.uint8)
    turned = Distortion(angles_deg=np.array([45.0])).apply(x, 0.5, 40, NO_CHANCE)
    assert turned[0, 4, 4, 0] == 200
    assert turned[0, 0, 0, 0] == 40
    moved = Distortion(offsets=np.array([[2, -3]])).apply(x, 0.5, 40, NO_CHANCE)
    assert (moved[0, :2] == 40).all()
    assert (moved[0, 2:, 6:] == 40).all()
    assert (moved[0, 2:, :6] == 200).all()


def test_moving_and_mirroring_keep_every_value() -> None:
    x = images()
    moved = Distortion(offsets=np.array([[1, 2]] * 6)).apply(x, 1.0, 0, NO_CHANCE)
    assert np.array_equal(moved[:, 1:, 2:], x[:, :-1, :-2])
    mirrored = Distortion(mirrored=np.arange(6) % 2 == 0).apply(x, 1.0, 0, NO_CHANCE)
    assert np.array_equal(mirrored[::2], x[::2, :, ::-1])
    assert np.array_equal(mirrored[1::2], x[1::2])


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x = images(50)
    distortion = Distortion(offsets=np.arange(100).reshape(50, 2) % 5, angles_deg=np.arange(50.0), noise=3.0)
    whole = distortion.apply(x, 1.0, 9, np.random.Generator(np.random.PCG64(1)))
    monkeypatch.setattr("harness.dataset.distortion._CHUNK_ELEMENTS", 300)
    assert np.array_equal(distortion.apply(x, 1.0, 9, np.random.Generator(np.random.PCG64(1))), whole)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    x = np.full((100, 8, 8, 1), 128, dtype=np.uint8)
    noisy = Distortion(noise=0.05).apply(x, 1 / 255, 0, generator()).astype(float) / 255
    assert noisy.std() == pytest.approx(0.05, rel=0.03)
    assert noisy.mean() == pytest.approx(128 / 255, abs=0.002)


def test_another_domain_holds_for_training_and_test_and_keeps_the_labels() -> None:
    plain = load_dataset("digits", 100, 50, 1)
    turned = load_dataset("digits", 100, 50, 1, Treatment(Shift(rotation=90)))
    assert np.array_equal(turned.train_x, np.rot90(plain.train_x, axes=(1, 2)))
    assert np.array_equal(turned.test_x, np.rot90(plain.test_x, axes=(1, 2)))
    assert np.array_equal(turned.train_y, plain.train_y)
    noisy = load_dataset("digits", 100, 50, 1, Treatment(Shift(noise=0.1)))
    assert not np.array_equal(noisy.train_x, plain.train_x)
    again = load_dataset.__wrapped__("digits", 100, 50, 1, Treatment(Shift(noise=0.1)))
    assert noisy.content_hash == again.content_hash
    assert noisy.content_hash == "c162cb47f46b330b"


def test_every_epoch_takes_the_next_version() -> None:
    order = visiting_order(10, 5, 3, versions=2)
    plain = visiting_order(10, 5, 3)
    assert np.array_equal(order - plain, np.repeat([0, 10, 0, 10, 0], 10))


def test_versions_of_a_sample_differ_and_the_test_samples_stay() -> None:
    plain = load_dataset("digits", 100, 50, 1)
    augmented = load_dataset("digits", 100, 50, 1, Treatment(augmentation=Augmentation(versions=3, move=1)))
    assert augmented.versions == 3
    assert augmented.train_x.shape == (300, 8, 8, 1)
    assert np.array_equal(augmented.train_y, np.tile(plain.train_y, 3))
    assert np.array_equal(augmented.test_x, plain.test_x)
    first, second = augmented.train_x[:100], augmented.train_x[100:200]
    assert 0.7 < (first != second).any(axis=(1, 2, 3)).mean() < 1  # one in nine moves alike
    offsets = {
        (down, right)
        for image, original in zip(augmented.train_x, np.tile(plain.train_x, (3, 1, 1, 1)), strict=True)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if np.array_equal(image[1:-1, 1:-1], np.roll(original, (down, right), (0, 1))[1:-1, 1:-1])
    }
    assert offsets == {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
    fewer = load_dataset("digits", 100, 50, 1, Treatment(augmentation=Augmentation(versions=2, move=1)))
    assert np.array_equal(fewer.train_x, augmented.train_x[:200])


def test_mirrored_and_turned_images_are_about_half_and_within_the_angle() -> None:
    plain = load_dataset("digits", 400, 50, 1)
    flipped = load_dataset("digits", 400, 50, 1, Treatment(augmentation=Augmentation(versions=1, flip=True)))
    same = (flipped.train_x == plain.train_x).all(axis=(1, 2, 3))
    assert 0.4 < same.mean() < 0.6
    assert np.array_equal(flipped.train_x[~same], plain.train_x[~same][:, :, ::-1])
    turned = load_dataset("digits", 400, 50, 1, Treatment(augmentation=Augmentation(versions=1, rotation=1e-9)))
    assert np.array_equal(turned.train_x, plain.train_x)


def test_augmentation_without_a_change_keeps_one_version() -> None:
    assert load_dataset("digits", 9, 9, 1, Treatment(augmentation=Augmentation(versions=8))).versions == 1


def test_more_versions_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.dataset.treatment._MOST_BYTES", 20_000)
    with pytest.raises(
        InputError, match=r"^dataset\.augment\.versions: 4 versions .* take 25600 bytes; expected at most"
    ):
        load_dataset("digits", 100, 9, 1, Treatment(augmentation=Augmentation(versions=4, flip=True)))


def test_centred_images_keep_their_values_and_mean_minus_one_to_one() -> None:
    plain, centred = load_dataset("digits", 50, 9, 1), load_dataset("digits", 50, 9, 1, Treatment(normalise="centred"))
    assert np.array_equal(centred.train_x, plain.train_x)
    assert np.allclose(real(centred.train_x, centred), 2 * real(plain.train_x, plain) - 1)


def own(folder: Path, x: np.ndarray) -> Origin:
    np.savez(folder / "a.npz", x=x, y=np.arange(len(x)) % 2)
    return Origin("npz", folder / "a.npz")


def test_statistics_do_not_depend_on_how_many_samples_are_drawn_nor_on_test_samples() -> None:
    for name in ("standard", "sample"):
        few, many = (load_dataset("digits", train, 100, 1, Treatment(normalise=name)) for train in (50, 800))  # type: ignore[arg-type]
        assert (few.scale, few.zero_point) == (many.scale, many.zero_point)
        assert np.array_equal(few.test_x, many.test_x)
        assert np.array_equal(few.train_x, many.train_x[:50])
    other = load_dataset("digits", 50, 900, 1, Treatment(normalise="standard"))
    assert other.scale != many.scale


def test_standard_normalises_each_channel_by_the_training_samples(tmp_path: Path) -> None:
    x = np.clip(generator().normal([60, 200], [10, 20], (100, 9, 7, 2)), 0, 255).astype(np.uint8)
    samples = load_dataset(own(tmp_path, x), 80, 20, 1, Treatment(normalise="standard"))
    values = real(samples.train_x, samples)
    assert np.allclose(values.mean(axis=(0, 1, 2)), 0, atol=0.02)
    assert np.allclose(values.std(axis=(0, 1, 2)), 1, atol=0.03)
    assert abs(real(samples.test_x, samples).mean()) < 0.1


def test_sample_normalises_each_sample_by_itself(tmp_path: Path) -> None:
    level = np.arange(100)[:, None, None, None]
    x = np.clip(generator().normal(50 + level, 5 + level / 10, (100, 9, 7, 2)), 0, 255).astype(np.uint8)
    samples = load_dataset(own(tmp_path, x), 80, 20, 1, Treatment(normalise="sample"))
    for part in (samples.train_x, samples.test_x):
        values = real(part, samples)
        assert np.abs(values.mean(axis=(1, 2, 3))).max() < 0.05
        assert np.abs(values.std(axis=(1, 2, 3)) - 1).max() < 0.05


@pytest.mark.parametrize("normalise", ["centred", "standard", "sample"])
def test_a_sample_without_any_contrast_stays_finite(tmp_path: Path, normalise: str) -> None:
    x = np.zeros((20, 4, 4, 1), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(20)
    samples = load_dataset(own(tmp_path, x), 16, 4, 1, Treatment(normalise=normalise))  # type: ignore[arg-type]
    assert np.isfinite(real(samples.train_x, samples)).all()


def test_statistics_are_of_the_usual_domain_so_that_a_shift_remains_one() -> None:
    plain = load_dataset("digits", 400, 100, 1, Treatment(normalise="standard"))
    shifted = load_dataset("digits", 400, 100, 1, Treatment(Shift(noise=0.3), normalise="standard"))
    assert (shifted.scale, shifted.zero_point) == (plain.scale, plain.zero_point)
    # Noise is cut off at zero, where most pixels of a digit lie, so it makes them brighter.
    assert real(shifted.train_x, shifted).mean() > real(plain.train_x, plain).mean() + 0.1


GROUPED = DatasetInfo(
    "grouped", "", (1, 1, 1), 2, 4, 12, True, "", "", groups="subjects", held_out=(8, 9)
)  # fmt: skip


def grouped() -> Arrays:
    """Two held-out subjects with six samples each: the value is 10 times the subject and the place in time."""
    value = np.array([80, 81, 82, 83, 84, 85, 90, 91, 92, 93, 94, 95], dtype=np.uint8)
    x, y = value.reshape(-1, 1, 1, 1), (value % 2).astype(np.uint8)
    use = np.array([ADAPT, ADAPT, ADAPT, ADAPT, NEITHER, TEST] * 2, dtype=np.uint8)
    return Arrays(x[:4] - 60, y[:4], x, y, 1.0, 0, value // 10, use)


def test_a_new_subject_trains_on_the_earlier_and_is_tested_on_the_later_part() -> None:
    samples = draw_groups(GROUPED, grouped(), (8,), 4, 1, 1)
    assert sorted(samples.train_x.ravel()) == [80, 81, 82, 83]
    assert samples.test_x.ravel().tolist() == [85]
    both = draw_groups(GROUPED, grouped(), (8, 9), 8, 2, 1)
    assert sorted(both.test_x.ravel()) == [85, 95]
    for train, test, key in (
        (5, 1, "train: 5 samples; expected at most 4"),
        (4, 2, "test: 2 samples; expected at most 1"),
    ):
        with pytest.raises(InputError, match=rf"^dataset\.{key}, grouped has no more of subjects 8$"):
            draw_groups(GROUPED, grouped(), (8,), train, test, 1)


@pytest.mark.parametrize(
    ("data", "key", "complaint"),
    [
        (
            {"name": "imu-activity", "shift": {"rotation": 5}},
            "shift.rotation",
            "is for images, and imu-activity has none",
        ),
        ({"name": "spoken-digits", "augment": {"flip": True}}, "augment.flip", "is for images"),
        ({"name": "imu-activity", "augment": {"rotation": 5}}, "augment.rotation", "is for images"),
        ({"name": "imu-activity", "normalise": "centred"}, "normalise", "expected usual, standard or sample"),
        ({"name": "digits", "shift": {"subjects": [1]}}, "shift.subjects", "digits does not tell subjects apart"),
        ({"name": "imu-activity", "shift": {"loads": [3]}}, "shift.loads", "apart; expected subjects"),
        ({"name": "imu-activity", "shift": {"subjects": [8, 3]}}, "shift.subjects", "3 is none of .* some of 8, 9, 10"),
        ({"name": "digits", "shift": {"subjects": []}}, "shift.subjects", "expected a list of 1 to 32 whole numbers"),
        ({"name": "digits", "shift": {"rotation": 200}}, "shift.rotation", "expected a number from -180 to 180"),
        ({"name": "digits", "shift": {"subjects": [8], "loads": [3]}}, "shift.loads", "both subjects and loads"),
        ({"name": "digits", "normalise": "unit"}, "normalise", "expected one of centred, sample, standard, usual"),
        ({"name": "digits", "augment": {"versions": 65}}, "augment.versions", "expected a whole number from 1 to 64"),
    ],
)
def test_what_does_not_fit_the_data_set_is_told_at_its_key(
    tmp_path: Path, data: dict[str, object], key: str, complaint: str
) -> None:
    path = write_scenario(tmp_path / "s.yaml", dataset={"train": 24, "test": 20, **data})
    with pytest.raises(InputError, match=rf"(?m)^\S+:\d+:\d+: dataset\.{key}: .*{complaint}"):
        read_scenarios(path)


def test_a_network_without_rows_cannot_be_fed_moved_samples(tmp_path: Path) -> None:
    x = np.zeros((20, 3), dtype=np.float32)
    x[:, 0] = np.arange(20)
    with pytest.raises(
        InputError, match=r"^dataset\.augment\.move: samples of a\.npz have neither rows nor time steps"
    ):
        load_dataset(own(tmp_path, x), 10, 4, 1, Treatment(augmentation=Augmentation(move=1)))


def test_a_run_on_a_shifted_and_augmented_data_set_agrees_bit_by_bit(tmp_path: Path) -> None:
    data = {"name": "digits", "train": 24, "test": 20, "normalise": "standard"}
    data |= {"shift": {"rotation": 15}, "augment": {"move": 1, "noise": 0.05, "versions": 2}}
    write_scenario(
        tmp_path / "s.yaml",
        dataset=data,
        matrix={"training.dtype": ["uint8", "float32"]},
    )
    done = run("s.yaml", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = documents(tmp_path / "out")
    assert len(found) == 2
    assert all(document["status"] == "ok" for document in found)
