"""The demo's pager takes pages as any receiver would: it believes only what the hub has signed."""

import stat
from pathlib import Path

import httpx

from deploy.demo import pager
from deploy.paths import SETTINGS
from shared.platform import webhooks
from shared.platform.clock import machine_now
from shared.platform.pagers import pagers

BODY = b'{"data": {"tier": "T3"}}'


def test_a_page_is_genuine_where_its_signature_is_ours() -> None:
    with pager.running() as ringing:
        for secret in (ringing.secret, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"):
            headers = webhooks.headers("page-1", machine_now(), BODY, [webhooks.secret(secret)])
            assert httpx.post(ringing.url, content=BODY, headers=headers).status_code == 204
    assert [(each.content["tier"], each.genuine) for each in ringing.pages] == [("T3", True), ("T3", False)]


def test_its_folder_of_settings_is_the_hubs_own_with_somebody_on_call(tmp_path: Path) -> None:
    with pager.running() as ringing:
        for _ in range(2):
            folder = ringing.settings(tmp_path / "settings")
        ringing.settings(tmp_path / "settings", partners="# none")
    assert (folder / "partners.toml").read_text() == "# none"
    assert "riverbend-alumni" in (SETTINGS / "partners.toml").read_text()
    (ours,) = pagers(folder).values()
    assert ours.channel_of(pager.PERSON).url == ringing.url
    assert (folder / "program.toml").is_symlink()
    assert stat.S_IMODE((folder / "pager.secret").stat().st_mode) == 0o600
