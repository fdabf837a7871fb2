"""What a folder of results came from: `manifest.json`, which lies in it.

It holds the plan with its scenarios, the command, the versions, the machine, the git revision, the
SHA-256 of every other file, of each scenario's series, and of the files that policies of other
authors come from. It holds no time and no secret, so the same run on the same machine writes the
same manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ev_gym
from baselines.policies.specs import digest_of, parse_spec
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Scenario
from ev_gym.series.of_scenario import dataset_of, worlds_of

NAME = "manifest.json"
# The files that a run may write beside it.
TABLES = tuple(f"{name}.csv" for name in ("summary", "episodes", "paired", "ranks", "days"))
STEPS, REPORT = "steps.csv.gz", "report.html"
PICTURES = ("bills.png", "cost_against_missing.png", "week.png", "heat_map.png", "regret.png")
RESULTS = (*TABLES, STEPS, *PICTURES, REPORT)
FORMAT = 1
PACKAGES = ("ev-gym", "numpy", "numba", "llvmlite", "pandas", "highspy", "gymnasium", "joblib",
            "matplotlib", "orjson", "plotly", "jinja2")  # fmt: skip
MODEL_PACKAGES = ("stable-baselines3", "torch")  # where a policy is a trained model
SECRET = "***"
# User and password of an address, also of one that is a quoted argument of a spec.
USER = re.compile(r"//((?!['\"]\s*[,)])[^/\s])*@")


def describe(
    plan: Mapping[str, Any], command: Sequence[str], token: str | None = None
) -> dict[str, Any]:
    """What results come from: all of the manifest but the results' own SHA-256.

    Args:
        plan: The plan as JSON values, with `policies`; a key `token` is left out. Where it has no
            `url`, the series of its scenarios are read; those of a server are its own.
        command: The command and its arguments.
        token: The server's token. It is struck out, as are users and passwords of addresses.

    Raises:
        ValueError: for a policy that does not exist, or series that cannot be read.
        FileNotFoundError: for a file of series that is missing.
    """
    words = _without_token([without_secrets(word, token) for word in command])
    policies, url = plan["policies"], plan.get("url")
    plain = {key: value for key, value in plan.items() if key != "token"}
    plain["policies"] = [without_secrets(spec, token) for spec in policies]
    if url is not None:
        plain["url"] = without_secrets(url, token)
    return {
        "format": FORMAT,
        "command": words,
        "plan": plain,
        "policy_sha256": {
            without_secrets(spec, token): digest for spec in policies if (digest := digest_of(spec))
        },
        "data_sha256": data_digests(plan) if url is None else {},
        "versions": versions(policies),
        "source_sha256": source_digest(),
        "git_revision": git_revision(),
        "machine": machine(),
    }


def write(folder: Path, described: Mapping[str, Any], paths: Iterable[Path]) -> Path:
    """Write `manifest.json`; its path.

    Args:
        folder: The folder of results.
        described: What `describe` says of them.
        paths: The files of the folder that belong to them.
    """
    results = {path.name: file_digest(path) for path in paths}
    text = json.dumps({**described, "results_sha256": results}, indent=2)
    path = folder / NAME
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def data_digests(plan: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the series of each scenario of a plan as JSON values, by its name.

    Of built-in series those of all worlds of the plan's splits, one after another.

    Raises:
        ValueError, FileNotFoundError: as of `ev_gym.series.of_scenario.dataset_of`.
    """
    split = plan.get("split")
    digests = {}
    for values in plan.get("scenarios", ()):
        scenario = Scenario.from_dict(values)
        numbers = [
            number
            for of_split in (("train", "test") if split == "both" else (split,))
            for number in worlds_of(scenario, of_split)
        ]
        series = [dataset_of(scenario, number).fingerprint for number in dict.fromkeys(numbers)]
        digests[scenario.name] = (
            series[0] if len(series) == 1 else hashlib.sha256(" ".join(series).encode()).hexdigest()
        )
    return digests


def clear(folder: Path) -> None:
    """Remove an earlier run's manifest and the files that it names, and no other file.

    Nothing is removed where there is no manifest, or one that cannot be read.
    """
    with contextlib.suppress(ValueError):
        for name in (*read(folder)["results_sha256"], NAME):
            if (folder / name).is_file():
                (folder / name).unlink()


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of results.

    Raises:
        ValueError: where there is none, or it is damaged or of another format.
    """
    path = folder / NAME
    allowed = "allowed: a folder that `ev-gym benchmark` wrote"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no {NAME}; {allowed}") from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}; {allowed}") from None
    kinds = {"command": list, "plan": dict, "policy_sha256": dict, "data_sha256": dict,
             "versions": dict, "source_sha256": str, "machine": dict,
             "results_sha256": dict}  # fmt: skip
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}; {allowed}")
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            raise ValueError(f"{path} is damaged: {key} is {manifest.get(key)!r}; {allowed}")
    policies = manifest["plan"].get("policies")
    if not isinstance(policies, list) or not all(isinstance(spec, str) for spec in policies):
        raise ValueError(f"{path} is damaged: the plan's policies are {policies!r}; {allowed}")
    outside = [name for name in manifest["results_sha256"] if Path(name).name != name]
    if outside:
        raise ValueError(f"{path} is damaged: {outside[0]!r} is no file of its folder; {allowed}")
    return manifest


def changes(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """In what two descriptions of one plan differ, as words; empty: in nothing.

    Args:
        recorded: The manifest's.
        current: That of this machine, now.
    """
    changes = []
    for part in ("versions", "machine"):
        for key in sorted({*recorded[part], *current[part]}):
            was, now = recorded[part].get(key), current[part].get(key)
            changes += [f"{key} was {was}, is {now}"] if was != now else []
    for key in ("source_sha256", "git_revision"):
        if recorded.get(key) != current[key]:
            changes.append(f"{key} was {recorded.get(key)}, is {current[key]}")
    for spec in sorted({*recorded["policy_sha256"], *current["policy_sha256"]}):
        if recorded["policy_sha256"].get(spec) != current["policy_sha256"].get(spec):
            changes.append(f"the file of policy {spec} has changed")
    for name in sorted({*recorded["data_sha256"], *current["data_sha256"]}):
        if recorded["data_sha256"].get(name) != current["data_sha256"].get(name):
            changes.append(f"the series of {name} are others")
    return changes


def versions(policies: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, as far as installed."""
    has_model = any(parse_spec(spec).is_model for spec in policies)
    versions = {"python": platform.python_version()}
    for package in (*PACKAGES, *(MODEL_PACKAGES if has_model else ())):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, Any]:
    """System, processor, its cores, and whether the physics is compiled."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "compiled": not INTERPRETED,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    line = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return line[1] if line else platform.processor() or platform.machine()


def _root() -> Path:
    return Path(ev_gym.__file__).resolve().parents[1]


def source_digest() -> str:
    """SHA-256 of all Python files of `ev_gym` and `baselines`: the code, beyond its version."""
    digest = hashlib.sha256()
    for package in (Path(ev_gym.__file__).resolve().parent, Path(__file__).resolve().parents[1]):
        for path in sorted(package.rglob("*.py")):
            digest.update(path.relative_to(package.parent).as_posix().encode())
            digest.update(file_digest(path).encode())
    return digest.hexdigest()


def git_revision() -> str | None:
    """Commit of the package's source tree, with `-dirty` where it was changed; None without one."""
    root = _root()
    if not (root / ".git").exists():  # an installed package may lie within another tree
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40",
               "--exclude=*"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def without_secrets(word: str, token: str | None) -> str:
    """An argument, address or spec without the token, and without user and password.

    The token is struck out where it is the whole of a word or of a value: `--name=TOKEN`, `'TOKEN'`
    in a spec, `?name=TOKEN` in an address. Elsewhere a short token may be a part of harmless words.
    """
    word = USER.sub("//", word)
    if not token:
        return word
    text = re.escape(token)
    for whole in (f"^{text}$", rf"(?<==){text}(?=$|[&#])", f"(?<='){text}(?=')",
                  f'(?<="){text}(?=")'):  # fmt: skip
        word = re.sub(whole, lambda _: SECRET, word)
    return word


def _without_token(command: Sequence[str]) -> list[str]:
    """A command with what follows `--token` struck out."""
    words = []
    for place, word in enumerate(command):
        if place and command[place - 1] == "--token":
            words.append(SECRET)
        elif word.startswith("--token="):
            words.append(f"--token={SECRET}")
        else:
            words.append(word)
    return words
