"""Settings from options, environment, file and defaults, as `coir serve` takes them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from coir.cli.main import app
from coir.server.configuration import NAMES, configured, printed
from coir.server.settings import Settings, StartError

from .forked import ran

# For each setting a value for the file, one for the environment, one for the option.
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "data": ("/in/file", "/in/environment", "/in/option"),
    "database": ("postgresql://file/a", "postgresql://environment/b", ""),
    "host": ("127.0.0.2", "127.0.0.3", "127.0.0.4"),
    "port": (1, 2, 3),
    "registration": (False, True, False),
    "jobs": (False, True, False),
    "max_upload_bytes": (1, 2, 3),
    "max_coco_bytes": (1, 2, 3),
    "max_pixels": (1, 2, 3),
    "watch": (True, False, True),
    "log": ("text", "json", "quiet"),
    "grace_seconds": (1, 2, 3),
    "drain_seconds": (1, 2, 3),
    "proxies": ("10.0.0.1", "10.0.0.0/8", ""),
    "origins": ("https://file.example", "https://environment.example,http://b.example:8080", ""),
}
FLAGS = ("registration", "jobs", "watch")


def shown(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `coir serve --print-config` says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COIR_")}
    command = ("serve", "--print-config", *arguments)
    return ran(command, kept | {"COLUMNS": "200"} | environment, "", 60)


def settings(*arguments: str, **environment: str) -> dict[str, Any]:
    done = shown(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return tomllib.loads(done.stdout)


def written(folder: Path, values: dict[str, Any]) -> Path:
    file = folder / "coir.toml"
    lines = (
        f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}\n" for k, v in values.items()
    )
    file.write_text("".join(lines))
    return file


def test_option_before_environment_before_file_before_default(tmp_path: Path) -> None:
    """For each setting: what is nearer to who starts the server goes before what is farther."""
    assert set(VALUES) == set(NAMES)
    file = written(tmp_path, {name: values[0] for name, values in VALUES.items()})
    environment = {
        f"COIR_{name.upper()}": str(values[1]).lower() for name, values in VALUES.items()
    }
    options = [
        f"--{name.replace('_', '-')}={values[2]}"
        for name, values in VALUES.items()
        if name not in FLAGS
    ]
    options += ["--no-registration", "--no-jobs", "--watch"]
    in_file = {name: values[0] for name, values in VALUES.items()}
    assert settings("--config", str(file)) == in_file
    assert settings(COIR_CONFIG=str(file)) == in_file
    in_environment = {name: values[1] for name, values in VALUES.items()}
    assert settings("--config", str(file), **environment) == in_environment
    in_options = {name: values[2] for name, values in VALUES.items()}
    assert settings("--config", str(file), *options, **environment) == in_options


def test_each_setting_is_an_option_with_its_default() -> None:
    """The command offers each setting under its name, says its default, and no other one."""
    command = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    others = {"config", "print_config"}
    options = {one.name: one for one in command.params if one.name not in others}
    assert tuple(options) == NAMES
    for field in dataclasses.fields(Settings):
        option = options[field.name]
        assert option.envvar == f"COIR_{field.name.upper()}"
        assert option.default is None
        if field.name not in {"data", *FLAGS}:
            assert option.show_default == (str(field.default) or False)


def test_what_is_printed_can_be_given_back(tmp_path: Path) -> None:
    """The output is a file with the same settings, also with strange characters in them."""
    folder = tmp_path / 'a "strange" \\ name\x7f ü'
    first = shown("--data", str(folder), "--max-pixels", "7", "--log", "json")
    file = tmp_path / "coir.toml"
    file.write_text(first.stdout)
    assert shown("--config", str(file)).stdout == first.stdout
    assert tomllib.loads(first.stdout)["data"] == str(folder)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://coir:hush@db/coir",
        "postgresql://:h@ush@db/coir",
        "postgresql://db?password=hush&x=1",
    ],
)
def test_passwords_are_not_printed(address: str) -> None:
    """A value with a password becomes a comment without it, and says where else to put it."""
    line = next(
        one for one in printed(Settings.of("x", host=address)).splitlines() if "host" in one
    )
    assert line.startswith("# host = ")
    assert line.endswith("set COIR_HOST")
    assert "hush" not in line
    assert "ush" not in line
    assert "db" in line


def test_folder_of_the_data_is_relative_to_the_file(tmp_path: Path) -> None:
    """A file says the same wherever the server is started."""
    file = written(tmp_path, {"data": "here"})
    assert configured({}, file).data == tmp_path / "here"
    assert configured({"data": Path("/there")}, file).data == Path("/there")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("prot = 5001", "sets prot, which is no setting: did you mean port?"),
        ("max_pixel = 1", "did you mean max_pixels?"),
        ("zzz = 1", "there are data, database, host, port"),
        ("[server]\nport = 1", "sets server, which is no setting"),
        ("port = '5001'", "sets port to what is not a whole number"),
        ("port = true", "sets port to what is not a whole number"),
        ("port = 1.5", "sets port to what is not a whole number"),
        ("port = 65536", "port is 65536: it must be between 0 and 65535"),
        ("port = -1", "port is -1"),
        ("registration = 1", "sets registration to what is not true or false"),
        ("data = 7", "sets data to what is not a text"),
        ("log = 'loud'", "log is 'loud': it must be one of quiet, text, json"),
        ("max_pixels = 0", "max_pixels is 0"),
        ("proxies = '10.0.0.0/8,everybody'", "'everybody', which is no address"),
        ("origins = 'https://a.example/'", "'https://a.example/', which is no origin"),
        ("origins = '*'", "'*', which is no origin"),
        ("port = ", "is no TOML"),
        ("port = 1\nport = 2", "is no TOML"),
        ("\xff", "is no TOML"),
    ],
)
def test_what_the_file_cannot_say(tmp_path: Path, content: str, says: str) -> None:
    """A file that says what is no setting is refused with what is wrong, and nothing starts."""
    file = tmp_path / "coir.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(StartError) as refused:
        configured({}, file)
    assert says in str(refused.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is a sentence on stderr, and the exit code of a server that cannot start."""
    done = shown("--config", str(tmp_path / "no.toml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The server cannot start: ")
    assert "no.toml cannot be read: No such file or directory." in done.stderr
    for value in ({"COIR_PORT": "abc"}, {"COIR_REGISTRATION": "perhaps"}):
        assert shown(**value).returncode == 2
    assert shown(COIR_LOG="loud").returncode == 1
