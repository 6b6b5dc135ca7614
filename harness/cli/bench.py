"""`harness bench kernels`: what the kernels cost on every core."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from harness.pipeline.bench import Cost, KernelSpeed, RatioSpeed

app = typer.Typer(help="Measure the speed of the kernels.", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Measure the speed of the kernels."""


@app.command("kernels")
def kernels(
    platforms: Annotated[
        list[str] | None, typer.Option("--platform", help="Board to measure on; all of them when not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Measure single layers, and a backward pass at two update ratios, by exact counts in emulation.

    Instructions are exact and the same on every machine; cycles are estimated by the model that is named below.
    """
    from harness.pipeline.bench import RATIO_NETWORKS, cycle_model, kernel_cases, measure_kernel, measure_ratio
    from harness.platform import load_platform, platform_names

    chosen = [load_platform(name).name for name in platforms or platform_names()]
    document: list[dict[str, Any]] = []
    for platform in chosen:
        model, error = cycle_model(platform)
        if not as_json:
            typer.echo(f"{load_platform(platform).title}, {load_platform(platform).core}")
            typer.echo(_HEAD)
        speeds = []
        for case in kernel_cases():
            speeds.append(measure_kernel(case, platform))
            if not as_json:
                typer.echo(_row(speeds[-1]))
        ratios = [measure_ratio(network, layers, platform) for network, layers in RATIO_NETWORKS]
        if as_json:
            document.append(_document(platform, model, error, speeds, ratios))
        else:
            for ratio in ratios:
                typer.echo(_ratio_line(ratio))
            typer.echo("step/16, step/100: a training step with its share of the update of a minibatch of so many")
            if any(speed.enlarged for speed in speeds):
                typer.echo("* does not fit the RAM of this board: measured with more of it")
            typer.echo(f"cycles estimated by {model}: {error}\n")
    if as_json:
        typer.echo(json.dumps(document, indent=2))


_HEAD = (
    f"  {'':36}{'instructions/MAC':^26}  {'cycles/MAC (estimated)':^26}  {'cycles over forward':^32}\n"
    f"  {'layer':27}{'dtype':9}{'forward':>8}{'error':>9}{'gradient':>9}  {'forward':>8}{'error':>9}{'gradient':>9}"
    f"  {'error':>7}{'gradient':>9}{'step/16':>8}{'step/100':>9}"
)


def _row(speed: KernelSpeed) -> str:
    passes = (speed.forward, speed.error, speed.gradient)
    instructions = [cost.instructions / speed.case.macs for cost in passes]
    cycles = [cost.cycles / speed.case.macs for cost in passes]
    ratios = [cost.cycles / speed.forward.cycles for cost in (speed.error, speed.gradient, *_steps(speed).values())]
    name = speed.case.name + ("*" if speed.enlarged else "")
    return (
        f"  {name:27}{speed.case.dtype:9}{instructions[0]:8.2f}{instructions[1]:9.2f}{instructions[2]:9.2f}"
        f"  {cycles[0]:8.2f}{cycles[1]:9.2f}{cycles[2]:9.2f}  {ratios[0]:7.2f}{ratios[1]:9.2f}{ratios[2]:8.2f}"
        f"{ratios[3]:9.2f}"
    )


def _steps(speed: KernelSpeed) -> dict[str, Cost]:
    from harness.pipeline.bench import BATCH_SIZES

    return {f"step_of_{size}": speed.step(size) for size in BATCH_SIZES}


def _ratio_line(speed: RatioSpeed) -> str:
    return (
        f"  {speed.network}, last {speed.trained_layers} layers, uint8: select and backward take "
        f"{speed.at_full.instructions:.0f} instructions at update ratio 1.0, {speed.at_tenth.instructions:.0f} at 0.1: "
        f"{speed.at_full.instructions / speed.at_tenth.instructions:.1f} times fewer "
        f"({speed.at_full.cycles / speed.at_tenth.cycles:.1f} times fewer cycles)"
    )


def _document(
    platform: str, model: str, error: str, speeds: list[KernelSpeed], ratios: list[RatioSpeed]
) -> dict[str, Any]:
    def passes(speed: KernelSpeed) -> dict[str, Cost]:
        names = ("forward", "error", "gradient", "select", "update")
        return {name: getattr(speed, name) for name in names} | _steps(speed)

    return {
        "platform": platform,
        "cycle_model": model,
        "cycle_error": error,
        "kernels": [
            {
                "layer": speed.case.name,
                "dtype": speed.case.dtype,
                "macs": speed.case.macs,
                "enlarged_ram": speed.enlarged,
                **{name: asdict(cost) for name, cost in passes(speed).items()},
            }
            for speed in speeds
        ],
        "update_ratio": [asdict(ratio) for ratio in ratios],
    }
