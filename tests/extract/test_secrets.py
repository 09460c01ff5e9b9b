"""Secrets: resolved now, from the environment, files and Vault; never shown again."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.extract.secrets import Secrets
from headgate.spec.errors import DeclarationError, WorldError
from servers.vault import VaultServer


def test_environment_and_files_are_read_at_the_moment_of_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(("env", "file"), root=str(tmp_path))
    monkeypatch.setenv("SHOP_PASSWORD", "first-secret")
    (tmp_path / "key").write_text("file-secret\n")
    asked = {"password": "${env:SHOP_PASSWORD}", "nested": ["${file:key}", 5]}
    assert secrets.resolve(asked) == {"password": "first-secret", "nested": ["file-secret", 5]}
    monkeypatch.setenv("SHOP_PASSWORD", "second-secret")
    assert secrets.resolve("postgresql://u:${env:SHOP_PASSWORD}@h/db") == "postgresql://u:second-secret@h/db"


def test_what_was_resolved_is_redacted_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(("env",))
    monkeypatch.setenv("TOKEN", "s3cr3t/with+signs")
    secrets.resolve("${env:TOKEN}")
    for text in ("failed for s3cr3t/with+signs", "GET /?key=s3cr3t%2Fwith%2Bsigns", "{'token': 's3cr3t/with+signs'}"):
        assert "s3cr3t" not in secrets.redactor(text)


def test_what_is_not_there_or_not_allowed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(WorldError, match="NOT_SET"):
        Secrets(("env",)).resolve("${env:NOT_SET}")
    with pytest.raises(DeclarationError, match="vault"):
        Secrets(("env",)).resolve("${vault:shop#password}")


def test_vault(vault_server: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault_server.url)
    monkeypatch.setenv("VAULT_TOKEN", vault_server.token)
    vault_server.put("shop", password="from-the-vault")
    secrets = Secrets(("env", "vault"))
    assert secrets.resolve("${vault:secret/shop#password}") == "from-the-vault"
    vault_server.put("shop", password="rotated-in-vault")
    assert secrets.resolve("${vault:secret/shop#password}") == "rotated-in-vault"
    assert "rotated" not in secrets.redactor("it was rotated-in-vault")
