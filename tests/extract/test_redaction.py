"""Secrets come out nowhere, in no spelling; and Vault's failures are told apart."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from headgate.extract.secrets import REDACTED, Redactor, Secrets
from headgate.spec.errors import DeclarationError, SourceBroken, SourceUnavailable, WorldError
from servers.vault import VaultServer

NASTY = "p@ss:w/o'rd %&\"\\ é"


def test_vault_failures_are_told_apart(vault_server: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", vault_server.url)
    monkeypatch.setenv("VAULT_TOKEN", vault_server.token)
    vault_server.put("shop/postgres", password="v1", user="ann")
    secrets = Secrets(("vault",))
    assert secrets.resolve("${vault:secret/data/shop/postgres#user}") == "ann"
    with pytest.raises(WorldError, match="no key 'port'"):
        secrets.resolve("${vault:secret/shop/postgres#port}")
    with pytest.raises(WorldError, match="no secret"):
        secrets.resolve("${vault:secret/shop/absent#a}")
    with pytest.raises(DeclarationError, match="not complete"):
        secrets.resolve("${vault:secret/shop}")
    vault_server.sealed = True
    with pytest.raises(SourceUnavailable):
        secrets.resolve("${vault:secret/shop/postgres#password}")
    vault_server.sealed = False
    vault_server.rotate_token("another-token")
    with pytest.raises(WorldError, match="refuses the token") as refused:
        secrets.resolve("${vault:secret/shop/postgres#password}")
    assert "test-vault-token" not in str(refused.value)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable):
        secrets.resolve("${vault:secret/shop/postgres#password}")


SPELLINGS = [NASTY, quote(NASTY, safe=""), quote(NASTY), NASTY.replace("'", "''"), repr(NASTY)[1:-1], f"a{NASTY}b"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_secret_is_redacted(spelling: str) -> None:
    text = Redactor([NASTY])(f"before {spelling} after")
    assert REDACTED in text and "ss:w" not in text and "w%2Fo" not in text


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to postgresql://ann:hunter22@host/db",
        "dsn is host=h user=ann password=hunter22 dbname=d",
        "password='hunter22'",
        "{'api_key': 'hunter22'}",
        "Authorization: Bearer hunter22hunter22",
        "https://api/x?token=hunter22&page=2",
    ],
)
def test_what_looks_like_a_secret_is_redacted_though_nobody_told(text: str) -> None:
    redacted = Redactor()(text)
    assert "hunter22" not in redacted and REDACTED in redacted


def test_passwords_written_into_a_connection_are_known(tmp_path: Path) -> None:
    secrets = Secrets(root=str(tmp_path))
    secrets.resolve({"host": "h", "password": "plain-one", "auth": {"client_secret": "plain-two"}})
    secrets.resolve("mysql://u:plain-three@h/d")
    assert secrets.redactor("plain-one plain-two plain-three h") == f"{REDACTED} {REDACTED} {REDACTED} h"


def test_an_error_is_redacted_with_all_its_parts_and_causes() -> None:
    redactor = Redactor(["hunter22"])
    try:
        try:
            raise ValueError("hunter22")
        except ValueError as cause:
            raise SourceBroken("what hunter22", expected="expected hunter22", todo="todo hunter22") from cause
    except SourceBroken as error:
        told = redactor.error(error)
    assert "hunter22" not in str(told) + repr(told) + told.message and told.__cause__ is None


def test_ordinary_words_stay() -> None:
    text = "table 'orders' of source 'shop' failed at 2024-01-01 10:00:00 after 3 attempts; see https://host/path?page=2"
    assert Redactor(["a", "  ", "hunter22"])(text) == text
