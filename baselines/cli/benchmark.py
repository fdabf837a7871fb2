"""The command `ev-gym benchmark`: its options, and what it does with them."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from baselines.cli.options import (
    HORIZON,
    HORIZON_HELP,
    POLICY,
    POLICY_HELP,
    SCENARIO_HELP,
    named_scenario,
)

if TYPE_CHECKING:
    from baselines.comparison.plan import Plan

# Options that go together with --check; the manifest says all others.
WITH_CHECK = ("check", "token", "jobs", "backend", "ray_address", "scheduler", "quiet")
# Options that say which episodes there are.
OF_EPISODES = {
    "scenarios": "--scenario",
    "seeds": "--seed",
    **{name: f"--{name}" for name in ("households", "days", "split", "url")},
}
PARTS = "parts"  # the folder of finished tasks, inside the folder of results


@click.command()
@click.option("--scenario", "scenarios", multiple=True, default=["stockholm"], show_default=True,
              help=SCENARIO_HELP + " May be repeated.")  # fmt: skip
@click.option("--policy", "policies", type=POLICY, multiple=True,
              help=POLICY_HELP + " May be repeated. Default: all by name that fit.")  # fmt: skip
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, default=[0],
              show_default=True, help="May be repeated.")  # fmt: skip
@click.option("--households", type=click.IntRange(min=1), default=36, show_default=True,
              help="Households drawn for each seed; months are dealt out to them.")  # fmt: skip
@click.option("--days", type=HORIZON, help=f"{HORIZON_HELP} Default: the scenario's.")
@click.option("--split", type=click.Choice(["train", "test", "both"]), help="Default: all.")
@click.option("--suite", help="Fixed episodes, so that costs can be compared across papers, and "
              "what mpc-0 pays in them: month-v1 or villa-v1.")  # fmt: skip
@click.option("--no-bound", is_flag=True, help="No lower bound, so no regret: for huge runs.")
@click.option("--steps/--no-steps", default=None,
              help="Whether to write every step. Default: up to ten million.")  # fmt: skip
@click.option("--observation", type=click.Choice(["physical", "scaled"]), default="physical",
              show_default=True,
              help="What policies are given; those by name do the same with either.")  # fmt: skip
@click.option("--report", is_flag=True, help="Write report.html, one file that needs no network.")
@click.option("--url", help="Drive households on this server, e.g. http://127.0.0.1:5000.")
@click.option("--token", envvar="EV_GYM_TOKEN", show_envvar=True, help="The server's token.")
@click.option("--jobs", type=click.IntRange(min=1), help="Workers. Default: 1; a cluster's all.")
@click.option("--backend", type=click.Choice(["loky", "ray", "dask"]), default="loky",
              show_default=True, help="What runs the workers.")  # fmt: skip
@click.option("--ray-address", help="Of a Ray cluster. Default: RAY_ADDRESS, or one's own.")
@click.option("--scheduler", help="Of a Dask cluster, as tcp://HOST:8786.")
@click.option("--resume", is_flag=True, help="Do only what an interrupted run left undone.")
@click.option("--check", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Run what gave these results again and compare.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar and no table.")
@click.pass_context
def benchmark(ctx: click.Context, /, **options: Any) -> None:
    """Compare policies on the same episodes: a table, CSV files and pictures."""
    from baselines.comparison import manifest, workers
    from baselines.policies.specs import policy_from_spec

    address = _address(options)
    workers.check(options["jobs"], options["backend"], address)
    if options["check"] is not None:
        _check(ctx, options, address)
        return
    _check_suite(ctx, options)
    plan, out = _plan(options), options["out"]
    if options["report"]:
        from baselines import report

        report.plotly_js()  # fails at once where it is missing, not after the run
    for scenario in plan.scenarios:
        for spec in plan.policies_of(scenario):
            policy_from_spec(spec, scenario, continuous=True, seed=0)  # fails at once too
    described = manifest.describe(plan.to_dict(), _command(), plan.token)
    try:
        table, paths = _run(plan, options, address, out, described)
    except KeyboardInterrupt:
        kept = sum(1 for _ in (out / PARTS).glob("*.part"))
        click.echo(
            f"stopped; {kept} finished tasks are kept: --resume goes on from there", err=True
        )
        ctx.exit(130)  # what shells know as the end by Ctrl-C
    if not options["quiet"]:
        click.echo(table)
        click.echo("wrote " + ", ".join(str(path) for path in paths))
        if not plan.keeps_steps and options["steps"] is None:
            click.echo(f"steps.csv.gz would hold {plan.total_steps:,} steps: --steps writes it")


def _address(options: dict[str, Any]) -> str | None:
    """The address of the backend's cluster, if given.

    Raises:
        click.UsageError: for the address of another backend's.
    """
    names = {"ray": "ray_address", "dask": "scheduler"}
    for backend, name in names.items():
        if options[name] is not None and options["backend"] != backend:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is {backend}'s; allowed: with --backend {backend}")
    address: str | None = options.get(names.get(options["backend"], ""))
    return address


def _check_suite(ctx: click.Context, options: dict[str, Any]) -> None:
    """Refuse what a suite fixes.

    Raises:
        click.UsageError: for another option that says which episodes there are.
    """
    for name, option in OF_EPISODES.items():
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if options["suite"] is not None and is_given:
            raise click.UsageError(f"{option} says what the suite fixes; allowed: without --suite")


def _plan(options: dict[str, Any]) -> Plan:
    from baselines.comparison.plan import Plan, default_policies

    if options["suite"] is not None:
        from baselines.comparison import suites

        return suites.plan_of(
            options["suite"],
            options["policies"],
            bound=not options["no_bound"],
            steps=options["steps"],
            observation=options["observation"],
        )
    scenarios = tuple(named_scenario(name) for name in options["scenarios"])
    remote, split = options["url"] is not None, options["split"]
    return Plan(
        scenarios=scenarios,
        policies=options["policies"] or default_policies(scenarios, remote),
        seeds=options["seeds"],
        households=options["households"],
        days=options["days"],
        split=split,
        bound=not options["no_bound"] and not remote,
        steps=options["steps"],
        observation=options["observation"],
        url=options["url"],
        token=options["token"],
    )


def _run(
    plan: Plan, options: dict[str, Any], address: str | None, out: Path, described: dict[str, Any]
) -> tuple[str, list[Path]]:
    """Run a plan and write everything: the table as text, and the paths."""
    from tqdm import tqdm

    from baselines.comparison import benchmark as bench
    from baselines.comparison import manifest, workers

    with tqdm(total=len(plan.tasks()), desc="benchmark", unit="task", file=sys.stderr,
              disable=options["quiet"], leave=False) as bar:  # fmt: skip
        comparison = bench.compare(
            plan,
            partial(
                workers.run_all,
                jobs=options["jobs"],
                backend=options["backend"],
                address=address,
                parts=out / PARTS,
                resume=options["resume"],
                progress=bar.update,
            ),
            _code_digest(described),
        )
    paths = bench.write(comparison, out)
    if options["report"]:
        from baselines import report

        # What the report shows of the manifest is what two runs have in common.
        (out / manifest.NAME).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        paths.append(report.write(comparison, out))
    paths.append(manifest.write(out, described, paths))
    workers.clear_parts(out / PARTS)
    return bench.table(comparison.summary), paths


def _code_digest(described: dict[str, Any]) -> str:
    """A digest of the code and the series, so that parts made with others are not resumed."""
    keys = ("source_sha256", "policy_sha256", "data_sha256", "versions")
    parts = [described[key] for key in keys]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _check(ctx: click.Context, options: dict[str, Any], address: str | None) -> None:
    """Run the plan of a folder's manifest again, and say whether every number repeats.

    Raises:
        click.UsageError: for an option that would make it another run.
    """
    from baselines.comparison import check, manifest
    from baselines.comparison.plan import Plan

    for name in options:
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and name not in WITH_CHECK:
            beside = ", ".join(f"--{name.replace('_', '-')}" for name in WITH_CHECK[1:])
            raise click.UsageError(f"--check runs what the manifest says; allowed beside: {beside}")

    def rerun(recorded: dict[str, Any], folder: Path) -> None:
        plan = replace(Plan.from_dict(recorded["plan"]), token=options["token"])
        described = {key: value for key, value in recorded.items() if key != "results_sha256"}
        again = options | {"report": manifest.REPORT in recorded["results_sha256"]}
        _run(plan, again, address, folder, described)

    outcome = check.check(options["check"], rerun)
    click.echo(str(outcome))
    ctx.exit(0 if outcome.repeats else 1)
