"""A first-boot profile, written in a real Chromium: what is refused stays as it was typed, what is kept is masked."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
NETWORK = """network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: DE
      access-points:
        lab:
          password: correct horse
"""


def write(page: Page, timezone: str) -> None:
    page.get_by_label("Name", exact=True).fill("Lab")
    page.get_by_label("Host name").fill("{board}-{slot}")
    page.get_by_label("Time zone").fill(timezone)
    page.get_by_label("User", exact=True).fill("anna")
    page.get_by_label("Password").fill("Kaese & Brot")
    page.get_by_label("SSH keys").fill(KEY)
    page.get_by_label("Network settings").fill(NETWORK)


def test_a_profile_is_refused_mended_kept_and_deleted(visit, picture):
    page = visit("/flashing/profiles/", "olga")
    expect(page.get_by_text("No profile yet")).to_be_visible()
    page.get_by_role("link", name="New profile").click()
    write(page, "Mars/Olympus")
    page.get_by_role("button", name="Keep this profile").click()
    refused = page.locator("#refused .refusal")
    expect(refused).to_contain_text("“Mars/Olympus” is no time zone")
    expect(page.get_by_label("Password")).to_have_value("Kaese & Brot")
    expect(page.get_by_label("Network settings")).to_have_value(NETWORK)
    expect(refused.get_by_text("not repeated here")).to_have_count(0)

    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Keep this profile").click()
    expect(page.get_by_role("heading", level=1, name="Lab")).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("hostname: lab-3")
    expect(page.locator("#preview")).not_to_contain_text("correct horse")
    expect(page.get_by_role("textbox", name="Network settings")).to_have_value("")
    picture(page, "flash-profile")
    page.get_by_label("Kind of system").select_option("custom-toml")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#preview h3")).to_have_text("custom.toml")

    phone = visit(page.url.removeprefix(page.url.split("/flashing")[0]), "vera", "phone", "dark")
    expect(phone.get_by_label("User", exact=True)).to_be_disabled()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    picture(phone, "flash-profile-phone")
    phone.get_by_label("Path").get_by_role("link").click()
    expect(phone.get_by_role("table")).to_contain_text("1 SSH key")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete profile").click()
    expect(page.get_by_text("No profile yet")).to_be_visible()
