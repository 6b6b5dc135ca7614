"""Small folders as publishers ship their data sets, written by the tests."""

from __future__ import annotations

import gzip
import io
import wave
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

GENERATOR_SEED = 5


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(GENERATOR_SEED))


def idx(array: np.ndarray) -> bytes:
    extents = b"".join(int(extent).to_bytes(4, "big") for extent in array.shape)
    return bytes([0, 0, 8, array.ndim]) + extents + array.astype(np.uint8).tobytes()


def idx_folder(folder: Path, stems: tuple[str, str], classes: int, first: int = 0, packed: bool = True) -> None:
    """Write 6 training and 2 test images a class, noise with one bright pixel at row 1 and column 2."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = generator()
    for stem, count in zip(stems, (6 * classes, 2 * classes), strict=True):
        images = noise.integers(0, 200, (count, 28, 28))
        images[:, 1, 2] = 255
        labels = np.arange(count) % classes + first
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx(array)
            name = f"{stem}-{kind}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def cifar_record(label: bytes, pixel: tuple[int, int, int], seed: int) -> bytes:
    """Return one record whose pixel at row 1, column 2 has the given red, green and blue."""
    image = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    image[:, 1, 2] = pixel
    return label + image.tobytes()


def cwru_recording(path: Path, values: int, level: float, others: tuple[int, ...] = ()) -> None:
    """Write one recording of noise around a tone; `others` are numbers of recordings that the file holds, too."""
    noise = generator().normal(0, level, values)
    variables = {f"X{number:03}_DE_time": noise[:, None] for number in (int(path.stem), *others)}
    variables |= {f"X{path.stem}_FE_time": noise[:, None] * 9, f"X{path.stem}RPM": np.array([[1797]])}
    savemat(path, variables, do_compression=True)


def daliac_subject(path: Path, labels: list[int], lines_each: int, level: float) -> None:
    """Write a subject whose 24 channels are noise around `level`, with a run of lines for each label."""
    label = np.repeat(labels, lines_each)
    values = generator().normal(level, 1, (len(label), 24))
    lines = [
        ",".join(f"{value:.4f}" for value in row) + f",{number}" for row, number in zip(values, label, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def wav(samples: np.ndarray, rate_hz: int = 16_000, channels: int = 1, sample_bytes: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(rate_hz)
        writer.setnchannels(channels)
        writer.setsampwidth(sample_bytes)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def speech_folder(folder: Path, words: tuple[str, ...]) -> None:
    """Write four recordings a word: two for training, one in each list; the pitch tells the word."""
    lists: dict[str, list[str]] = {"testing_list.txt": [], "validation_list.txt": []}
    noise = generator()
    for pitch, word in enumerate(words):
        (folder / word).mkdir(parents=True)
        for take in range(4):
            tone = np.sin(np.arange(12_000 + 1000 * take) * 2 * np.pi * (300 + 150 * pitch) / 16_000)
            name = f"{word}/{take:08x}_nohash_0.wav"
            (folder / name).write_bytes(wav(8000 * tone + noise.normal(0, 50, len(tone))))
            if take >= 2:
                lists["testing_list.txt" if take == 2 else "validation_list.txt"].append(name)
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def jpeg(width: int, height: int, colour: tuple[int, int, int], seed: int = 0) -> bytes:
    """Return a photograph of noise around one colour."""
    noise = np.random.Generator(np.random.PCG64(seed)).integers(-20, 20, (height, width, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def flowers_folder(folder: Path, photographs: int, classes: int) -> None:
    """Write photographs whose colour tells the class; the first half trains, the rest tests."""
    (folder / "jpg").mkdir(parents=True)
    labels = np.arange(photographs) % classes + 1
    for number, label in enumerate(labels, 1):
        content = jpeg(90, 70, (60 * int(label), 100, 50), seed=number)
        (folder / f"jpg/image_{number:05}.jpg").write_bytes(content)
    half = np.arange(1, photographs // 2 + 1)
    savemat(folder / "imagelabels.mat", {"labels": labels[None]})
    parts = {"trnid": half[:-2][None], "valid": half[-2:][None], "tstid": half[None] + len(half)}
    savemat(folder / "setid.mat", parts)
