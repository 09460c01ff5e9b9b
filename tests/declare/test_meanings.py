"""Every key of ours has a meaning in the reference, and none has one that is no key."""

from __future__ import annotations

from headgate.declare import keys, meanings


def test_every_key_has_a_meaning() -> None:
    for names, said in (
        (keys.PROJECT_KEYS, meanings.PROJECT),
        (keys.LAKE_KEYS, meanings.LAKE),
        (keys.ENVIRONMENT_KEYS, meanings.ENVIRONMENT),
        (keys.PRICE_KEYS, meanings.PRICES),
        (keys.QUOTA_KEYS, meanings.QUOTAS),
        (keys.SOURCE_KEYS, meanings.SOURCE),
        (keys.SOURCE_TABLE_KEYS, meanings.SOURCE_TABLE),
        (keys.OUR_CONFIG, meanings.MODEL),
    ):
        assert set(names) == set(said)
        assert all(meaning and "|" not in meaning for meaning in said.values())
