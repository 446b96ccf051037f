"""Secrets come from a file or the environment, and are shown nowhere."""

import pytest
from bowerbird_config.secrets import SecretMissing, SecretName
from pydantic import ValidationError

NAME = SecretName(secret="cas-key")


def test_a_secret_is_read_from_its_file_without_the_last_line_end(tmp_path):
    file = tmp_path / "cas-key"
    file.touch(mode=0o600)
    file.write_text("hunter2\n\n")
    assert NAME.read(tmp_path, {}).get_secret_value() == "hunter2\n"


def test_the_environment_comes_before_the_file(tmp_path):
    file = tmp_path / "cas-key"
    file.touch(mode=0o600)
    file.write_text("of the file")
    assert NAME.read(tmp_path, {"BOWERBIRD_SECRET_CAS_KEY": "hunter2"}).get_secret_value() == "hunter2"


def test_a_secret_is_in_no_text_about_it(tmp_path):
    value = NAME.read(tmp_path, {"BOWERBIRD_SECRET_CAS_KEY": "hunter2"})
    assert "hunter2" not in f"{value} {value!r} {NAME!r}"


def test_a_missing_secret_says_where_it_is_looked_for(tmp_path):
    with pytest.raises(SecretMissing) as missing:
        NAME.read(tmp_path, {"BOWERBIRD_SECRET_CAS_KEY": ""})
    assert str(missing.value) == f"secret 'cas-key' is missing; write it to {tmp_path / 'cas-key'} (0600) or set BOWERBIRD_SECRET_CAS_KEY"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path, mode):
    file = tmp_path / "cas-key"
    file.write_text("hunter2")
    file.chmod(mode)
    with pytest.raises(SecretMissing, match=r"others may read .*; run: chmod 600") as refused:
        NAME.read(tmp_path, {})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "Cas-Key", "a/b", "-x", "cas-key\n"])
def test_a_secret_name_is_no_path(name):
    with pytest.raises(ValidationError):
        SecretName(secret=name)
