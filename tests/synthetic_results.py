"""Result documents with invented numbers of a plausible size, for tests of results and reports only."""

import itertools
import math
from datetime import UTC, datetime

from harness.result import (
    NO_LAYER,
    Accuracy,
    Agreement,
    Counts,
    Document,
    Epoch,
    Estimate,
    Estimates,
    LayerCost,
    Memory,
    Provenance,
    Run,
)

PLATFORMS = {
    "nrf52840": ("cortex-m4f", 64_000_000, 1.4, 26.7),
    "rp2040": ("cortex-m0plus", 133_000_000, 1.7, 80.0),
    "imxrt1062": ("cortex-m7", 600_000_000, 0.9, 330.0),
}
LAYERS = (("conv1", 41_000), ("conv2", 118_000), ("pool1", 3_100), ("dense1", 36_500), ("dense2", 1_400))
FORWARD_SHARE = {"forward": 1.0, "backward": 2.3, "update": 0.21}


def settings(dtype="uint8", ratio=0.1, platform="nrf52840", dataset="digits"):
    core, clock_hz, _, _ = PLATFORMS[platform]
    return {
        "model": {"name": "digits-cnn"},
        "dataset": {"name": dataset, "train": 1000, "test": 400, "seed": 1},
        "training": {
            "epochs": 3,
            "batch_size": 32,
            "learning_rate": 0.01,
            "dtype": dtype,
            "update": {"policy": "dynamic", "min_ratio": ratio, "max_ratio": 1.0},
            "trainable_layers": "all",
            "seed": 1,
        },
        "memory": {"ram_budget": 65536, "flash_budget": 524288},
        "platform": platform,
        "core": core,
        "clock_hz": clock_hz,
        "engine": {"name": "unicorn", "steps": 64},
    }


def provenance(core="cortex-m4f"):
    return Provenance(
        harness="0.1.0",
        git_commit="0123456789abcdef0123456789abcdef01234567",
        git_dirty=False,
        python="3.11.2",
        tools={"arm-none-eabi-gcc": "12.2.1", "cmake": "3.25.1", "numpy": "2.4.6", "unicorn": "2.1.4"},
        compiler_flags=("-O2", "-ffp-contract=off", f"-mcpu={core.removesuffix('f')}"),
        seeds={"dataset": 1, "training": 1},
        engine="unicorn",
        engine_version="2.1.4",
        cycle_model=f"{core}-table",
        created=datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
        host="Linux x86_64",
        wall_s={"plan": 0.02, "build": 3.1, "twin": 1.7, "emulation": 2.4, "cost": 0.2},
    )


def _parts(work, ratio, cycles_per_instruction):
    parts = [LayerCost(phase="load", layer=NO_LAYER, layer_name="", instructions_per_step=900, cycles_per_step=1100)]
    for (phase, share), (index, (name, forward)) in itertools.product(FORWARD_SHARE.items(), enumerate(LAYERS)):
        scale = 1.0 if phase == "forward" else 0.15 + 0.85 * ratio
        count = round(forward * work * share * scale) + 0.25
        parts.append(
            LayerCost(
                phase=phase,
                layer=index,
                layer_name=name,
                instructions_per_step=count,
                cycles_per_step=count * cycles_per_instruction,
            )
        )
    parts.append(
        LayerCost(phase="loss", layer=NO_LAYER, layer_name="", instructions_per_step=1450, cycles_per_step=2300)
    )
    parts.append(
        LayerCost(phase="select", layer=3, layer_name="dense1", instructions_per_step=2450, cycles_per_step=3300)
    )
    return tuple(parts)


def estimate(value, model, error):
    """Return an estimate with a range of 4 % below and 7 % above it."""
    return Estimate(value=value, low=0.96 * value, high=1.07 * value, model=model, error=error)


def document(dtype="uint8", ratio=0.1, platform="nrf52840", dataset="digits", **changes):
    """Return one successful run; `changes` replace whole parts."""
    core, clock_hz, cycles_per_instruction, power_mw = PLATFORMS[platform]
    work = 1.0 if dtype == "uint8" else {"cortex-m0plus": 11.0}.get(core, 1.6)
    parts = _parts(work, ratio, cycles_per_instruction)
    by_phase = {}
    for part in parts:
        by_phase[part.phase] = by_phase.get(part.phase, 0) + part.instructions_per_step
    per_step = math.fsum(by_phase.values())
    cycles = math.fsum(part.cycles_per_step for part in parts)
    time_ms = cycles / clock_hz * 1e3
    model = f"{core}-table"
    error = {"cortex-m7": "+-30 %: dual issue is one factor"}.get(core, "+-15 % for code in zero-wait-state memory")
    power = f"{model}, {power_mw:g} mW (typical, 3 V (DC/DC on), from flash)"
    power_error = f"{error}; power typical: +-40 % with workload"
    size = 1 if dtype == "uint8" else 4
    categories = {
        "weights": 3_400 * size,
        "activations": 2_900 * size,
        "gradients": 13_600,
        "errors": 2_100 * size,
        "quantization": 480 if size == 1 else 0,
    }
    arena = sum(categories.values()) + 96
    text = 21_400 + 3_000 * size
    test = (0.951 if dtype == "uint8" else 0.967) - 0.012 * (1 - ratio)
    parts_of_document = {
        "run": Run(
            id=f"quickstart-{dataset}-{dtype}-{ratio}-{platform}",
            scenario="quickstart",
            label=f"{dtype}, {ratio}, {platform}",
            tags=("quick",),
            file="scenarios/quickstart.yaml",
        ),
        "settings": settings(dtype, ratio, platform, dataset),
        "status": "ok",
        "accuracy": Accuracy(
            test=test,
            test_samples=400,
            loss=0.21,
            by_epoch=tuple(
                Epoch(epoch=e, train_loss=1.1 / e, train_accuracy=0.7 + 0.08 * e, test_accuracy=test - 0.03 * (3 - e))
                for e in (1, 2, 3)
            ),
        ),
        "agreement": Agreement(steps_emulated=64, steps_total=3000, records_equal=True, weights_equal=True),
        "counts": Counts(
            instructions_per_step=per_step,
            instructions_total=round(per_step * 64) + 12_345,
            by_phase=by_phase,
            by_layer=parts,
        ),
        "estimates": Estimates(
            cycles_per_step=estimate(cycles, model, error),
            time_ms_per_step=estimate(time_ms, model, error),
            energy_mj_per_step=estimate(time_ms * power_mw / 1e3, power, power_error),
            training_time_s=estimate(time_ms * 3.0, model, error),
            training_energy_mj=estimate(time_ms * power_mw * 3.0, power, power_error),
        ),
        "memory": Memory(
            arena_bytes=arena,
            arena_lower_bound_bytes=arena - 96,
            arena_by_category=categories,
            data_bytes=64,
            bss_bytes=512,
            stack_reserved_bytes=4096,
            stack_peak_bytes=432 + 40 * size,
            ram_bytes=64 + 512 + arena + 4096,
            ram_budget_bytes=65536,
            flash_bytes=text + 6_200,
            flash_by_section={".text": text, ".rodata": 6_136, ".data": 64},
            flash_budget_bytes=524288,
        ),
        "updated_share": min(1.0, ratio + 0.12),
        "provenance": provenance(core),
    }
    return Document(**(parts_of_document | changes))


def failed(reason="RAM budget exceeded by 1,204 bytes: gradients take 13,600", platform="rp2040", **changes):
    """Return one failed run."""
    parts = {
        "run": Run(
            id=f"quickstart-mixed-{platform}", scenario="quickstart", label=f"mixed, 1.0, {platform}", file="q.yaml"
        ),
        "settings": settings("mixed", 1.0, platform),
        "status": "failed",
        "reason": reason,
        "provenance": provenance(PLATFORMS[platform][0]),
    }
    return Document(**(parts | changes))


def suite(datasets=("digits",)):
    """Return the runs of a matrix as in the quickstart, the last of them failed."""
    keys = itertools.product(datasets, ("uint8", "float32"), (1.0, 0.5, 0.1), PLATFORMS)
    return [document(dtype, ratio, platform, dataset) for dataset, dtype, ratio, platform in keys] + [failed()]


def seeded(accuracies=(0.93, 0.95, 0.97), **changes):
    """Return one successful run a test accuracy; they differ in their seed, from 1 on, and in nothing else."""
    runs = []
    for seed, test in enumerate(accuracies, 1):
        varied = settings(**changes)
        varied["training"]["seed"] = seed
        one = document(**changes)
        run = one.run.model_copy(update={"id": f"{one.run.id}-{seed}", "label": f"{one.run.label}, {seed}"})
        accuracy = one.accuracy.model_copy(update={"test": test})
        runs.append(one.model_copy(update={"run": run, "settings": varied, "accuracy": accuracy}))
    return runs
