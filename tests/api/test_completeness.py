"""REST is complete for all that the pages do: each page has its operation, or the reason why it is for people alone.

A new page without a row here fails, and so does a row without a page or with an operation that there is not.
"""

from django.urls import URLPattern, URLResolver, get_resolver

from tests.api.test_description import OPERATIONS

#: Why something has no operation.
SIGN_IN = "signing in, and showing that it is really oneself, is for a person at a browser"
GRAVE = "asks a person to confirm that it is them, which no script can"
DRAWN = "draws or asks before the act; what it shows is read by the operation of the thing itself"
HANDS = "stands in for hands at a simulated board; `hardware.simulator ctl` does it for scripts"
FILE = "the portal's own certificate authority, which any client fetches there before it can trust anything"
EDIT = "PUT /boards/{board}/switch/vlans"  # a step of editing: the operation takes the whole setup
SLOT, BOARD = "/boards/{board}/slots/{number}", "/boards/{board}"
PAGES = {
    # accounts
    **dict.fromkeys(["login", "second-step", "passkey-sign-in", "passkey-sign-in-options", "logout"], SIGN_IN),
    **dict.fromkeys(["setup", "join", "confirm", "passkey-confirm", "passkey-confirm-options"], SIGN_IN),
    **dict.fromkeys(["account", "codes", "codes-off", "recovery-codes", "passkey-create", "passkey-options"], SIGN_IN),
    **dict.fromkeys(["passkey-remove", "codes-off-for", "remove-passkey-of", "signing-of"], SIGN_IN),
    **dict.fromkeys(["invite", "make-link", "remove-person"], GRAVE),
    **dict.fromkeys(["authority", "authority-download"], FILE),
    "my-rights": "GET /me",
    "end-other-sessions": "DELETE /people/{name}/sessions",
    "end-session": "DELETE /people/{name}/sessions/{session}",
    "end-sessions-of": "DELETE /people/{name}/sessions",
    "end-session-of": "DELETE /people/{name}/sessions/{session}",
    "tokens": "POST /tokens",
    "revoke-token": "DELETE /tokens/{prefix}",
    "all-tokens": "POST /machines",
    "machine-tokens": "POST /tokens",
    "notices": "GET /notices",
    "see-notice": "POST /notices/{notice_id}/seen",
    "people": "GET /people/{name}/may",
    "person": "GET /people/{name}",
    "change-role": "PATCH /people/{name}",
    "change-access": "PATCH /people/{name}",
    "give-person": "POST /people/{name}/rights",
    "take-right": "DELETE /rights/{right}",
    "groups": "GET /groups",
    "group": "PUT /groups/{name}",
    "give-group": "POST /groups/{name}/rights",
    "remove-group": "DELETE /groups/{name}",
    # reservations
    "reservations:board": f"GET {BOARD}/reservations",
    "reserve": f"POST {SLOT}/reservations",
    "extend": "PATCH /reservations/{reservation_id}",
    "release": "DELETE /reservations/{reservation_id}",
    "break": "POST /reservations/{reservation_id}/break",
    # slots
    "dashboard": "GET /boards",
    "fleet": "GET /boards",
    "slots:board": f"GET {BOARD}",
    "nav": DRAWN,
    "slots:settings": f"PUT {BOARD}/settings",
    "new-som-type": "PUT /som-types/{name}",
    "som-type": "PUT /som-types/{name}",
    "confirm-several": DRAWN,
    "several": f"POST {BOARD}/power",
    "reset-switch": f"POST {BOARD}/switch/reset",
    "restart-controller": f"POST {BOARD}/controller/restart",
    "slot": f"GET {SLOT}",
    "history": f"GET {SLOT}/history",
    "som": f"PUT {SLOT}/som",
    "remove-som": f"DELETE {SLOT}/som",
    "confirm-reset": DRAWN,
    "slots:reset": f"POST {SLOT}/reset",
    "mark-off": f"POST {SLOT}/mark-off",
    "clear-latch": f"POST {SLOT}/clear-latch",
    # consoles
    "grid": f"GET {BOARD}/consoles",
    "search": f"GET {BOARD}/recordings/search",
    "stages": "POST /console-stages",
    "rule": "PUT /console-stages/{rule}",
    "console": f"GET {SLOT}/console",
    "panel": f"GET {SLOT}/console",
    "consoles:settings": f"PUT {SLOT}/console/settings",
    "recordings": f"GET {SLOT}/recordings",
    "data": f"GET {SLOT}/recordings/data",
    "download": f"GET {SLOT}/recordings/download",
    # operations
    "audit": "GET /audit",
    "verify": "POST /audit/verify",
    "operations:export": "POST /audit/export",
    "operation": "GET /operations/{operation_id}",
    "operations:cancel": "POST /operations/{operation_id}/cancel",
    # images
    "library": "GET /images",
    "room": "GET /images",
    "uploads": "GET /images/uploads",
    "images:cancel": "DELETE /images/uploads/{upload_id}",
    "images:import": "POST /images/import",
    "images:image": "PATCH /images/{image_id}",
    "retire": "POST /images/{image_id}/retire",
    "bring-back": "POST /images/{image_id}/bring-back",
    "delete": "DELETE /images/{image_id}",
    # flashing
    "runs": "GET /flash-runs",
    **dict.fromkeys(["slots", "flashing:image", "first-boot"], DRAWN),
    "method": f"GET {SLOT}/flash-methods",
    "review": f"POST {BOARD}/flash-runs",
    "network": f"GET {SLOT}/flash-network/disks",
    "trust-host": f"POST {SLOT}/flash-network/trust",
    "run": "GET /flash-runs/{run_id}",
    "log": "GET /flash-runs/{run_id}",
    "log-text": "GET /flash-runs/{run_id}",
    "cancel-all": "POST /flash-runs/{run_id}/cancel",
    "holding": "POST /flash-jobs/{job_id}/holding",
    "simulated-hands": HANDS,
    "flashing:cancel": "POST /operations/{operation_id}/cancel",
    "retry": "POST /flash-jobs/{job_id}/retry",
    "profiles": "GET /flash-profiles",
    "new-profile": "POST /flash-profiles",
    "profile": "PUT /flash-profiles/{profile_id}",
    "delete-profile": "DELETE /flash-profiles/{profile_id}",
    # switch
    "vlans": f"GET {BOARD}/switch",
    **dict.fromkeys(["edit", "add", "vlan", "intake", "pattern", "port", "pair", "isolate", "mirror"], EDIT),
    "switch:import": f"PUT {BOARD}/switch/vlans.yaml",
    "switch:export": f"GET {BOARD}/switch/vlans.yaml",
    "discard": f"DELETE {BOARD}/switch/vlans",
    "scan": f"POST {BOARD}/switch/scan",
    "preview": f"POST {BOARD}/switch/plan",
    "commit": f"POST {BOARD}/switch/commit",
    "switch:confirm": f"POST {BOARD}/switch/confirm",
    "switch:extend": f"POST {BOARD}/switch/extend",
    "roll-back": f"POST {BOARD}/switch/rollback",
    "acknowledge": f"POST {BOARD}/switch/changes/{{number}}/acknowledge",
    "ports": f"GET {BOARD}/switch/ports",
    "isolation": f"GET {BOARD}/switch/vlans",
    "switch:reset": f"POST {BOARD}/switch/reset",
    "addresses": f"GET {BOARD}/switch/fdb",
    "recovery": f"GET {BOARD}/switch/recovery",
    "restore-last": f"POST {BOARD}/switch/restore",
    "let-restore": f"PUT {BOARD}/switch/recovery",
    "revisions": f"GET {BOARD}/switch/revisions",
    "revision": f"GET {BOARD}/switch/revisions/{{number}}",
    "restore": f"POST {BOARD}/switch/revisions/{{number}}/restore",
}
REASONS = {SIGN_IN, GRAVE, DRAWN, HANDS, FILE}


def pages(resolver: URLResolver, app: str = "") -> list[tuple[str, str]]:
    """The app and the name of every page of the project."""
    found = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += [] if entry.namespace == "api" else pages(entry, entry.namespace or "")
        elif isinstance(entry, URLPattern) and app:  # those of no app are for machines already
            found.append((app, entry.name or ""))
    return found


def row_of(app: str, name: str) -> str:
    """The row's key: with the app, where two have a page of that name."""
    return f"{app}:{name}" if f"{app}:{name}" in PAGES else name


def test_every_page_has_its_operation_or_the_reason_why_there_is_none():
    found = pages(get_resolver())
    assert len(found) > 100
    assert sorted({f"{app}:{name}" for app, name in found if row_of(app, name) not in PAGES}) == []


def test_every_row_is_of_a_page():
    assert sorted(PAGES.keys() - {row_of(app, name) for app, name in pages(get_resolver())}) == []


def test_every_operation_that_a_row_names_is_there():
    named = {row.replace(" /", " /api/v1/", 1) for row in PAGES.values()} - REASONS
    named = {name for name in named if name.split(" ")[0].isupper()}
    assert sorted(named - OPERATIONS.keys()) == []
    assert {row for row in PAGES.values() if not row.split(" ")[0].isupper()} == REASONS
