"""Who may come in at which door, by hand: the one table that the walk compares the running project with.

A door is a method and an address. Whoever is let in gets what they asked for, or is told what is wrong with it; whoever
is not is sent to sign in, refused, or told that there is no such thing.
"""

from dataclasses import dataclass

from tests.doors.scene import IMAGE, NOBODY, PEOPLE, SLOT, STRANGER

VIEWER, CONSOLE_OPERATOR, OPERATOR = "viewer", "console-operator", "operator"
FLASHER, NETWORK_ENGINEER, ADMINISTRATOR = "flasher", "network-engineer", "administrator"

ANYBODY = frozenset(PEOPLE)
NO_ONE = frozenset[str]()
SIGNED_IN = ANYBODY - {NOBODY}
SEEING = SIGNED_IN - {STRANGER}  # whoever has any role
OPERATORS = frozenset({OPERATOR, FLASHER, ADMINISTRATOR})
FLASHERS = frozenset({FLASHER, ADMINISTRATOR})
ENGINEERS = frozenset({NETWORK_ENGINEER, ADMINISTRATOR})
RESERVING = OPERATORS | ENGINEERS
ADMINISTRATORS = frozenset({ADMINISTRATOR})
HOLDER = frozenset({OPERATOR})  # of the reservation
UPLOADER = frozenset({FLASHER})  # whose upload it is
COMMITTER = frozenset({NETWORK_ENGINEER})  # of the change of VLANs

# What a token has to be for.
NEVER = frozenset[str]()
ALWAYS = frozenset({"read", "power", "console", "flash", "switch", "metrics", "reserve", "people"})
LOOKING = ALWAYS - {"metrics"}
READ, POWER, CONSOLE = frozenset({"read"}), frozenset({"power"}), frozenset({"console"})
FLASH, SWITCH, RESERVE = frozenset({"flash"}), frozenset({"switch"}), frozenset({"reserve"})
PEOPLE_SCOPE = frozenset({"people"})


@dataclass(frozen=True)
class Row:
    """Who may, and for the API the scopes of which a token needs one."""

    who: frozenset[str]
    scopes: frozenset[str] = NEVER
    owner: str = ADMINISTRATOR  # of the tokens that are tried: somebody who may

    @property
    def no_good(self) -> str:
        """The scopes that do not open it, in one line; "" if each does."""
        return " ".join(sorted(ALWAYS - self.scopes))


def _rows(who: frozenset[str], doors: str, scopes: frozenset[str] = NEVER, under: str = "") -> dict[str, Row]:
    """A row for each line `METHOD [METHOD...] ADDRESS`."""
    row = Row(who, scopes, ADMINISTRATOR if ADMINISTRATOR in who or len(who) != 1 else min(who))
    found = {}
    for line in doors.split("\n"):
        *methods, address = line.split() or [""]
        found |= {f"{method} {under}{address}": row for method in methods}
    return found


def _api(who: frozenset[str], scopes: frozenset[str], doors: str) -> dict[str, Row]:
    return _rows(who, doors, scopes, "/api/v1")


PAGES = (
    _rows(
        ANYBODY,
        """
        GET HEAD /healthz
        GET HEAD POST /login/
        GET POST /login/second/
        POST /login/passkey/
        POST /login/passkey/options/
        POST /logout/
        GET POST /join/<secret>/
        """,
    )
    # There is an administrator already, and no authority of our own; the figures are for tokens (test_metrics.py).
    | _rows(NO_ONE, "GET POST /setup/<token>/\nGET HEAD /tls/\nGET HEAD /tls/ca.crt")
    | _rows(ANYBODY, "GET HEAD /metrics")  # from the machine itself
    | _rows(
        SIGNED_IN,
        """
        GET HEAD POST /account/
        GET /account/rights/
        GET POST /account/confirm/
        POST /account/confirm/passkey/
        POST /account/confirm/passkey/options/
        GET POST /account/codes/
        POST /account/codes/off/
        POST /account/codes/recovery/
        POST /account/passkeys/
        POST /account/passkeys/options/
        POST /account/passkeys/<pk>/remove/
        POST /account/sessions/end-others/
        POST /account/sessions/<session>/end/
        GET POST /account/tokens/
        POST /tokens/<prefix>/revoke/
        GET /notices/
        POST /notices/<pk>/seen
        """,
    )
    | _rows(
        ADMINISTRATORS,
        """
        GET POST /people/
        GET POST /people/new/
        GET POST /people/tokens/
        GET POST /people/<pk>/tokens/
        GET POST /people/groups/
        GET POST /people/groups/<pk>/
        POST /people/groups/<pk>/rights/
        POST /people/groups/<pk>/remove/
        POST /people/rights/<pk>/take/
        GET POST /people/<pk>/
        POST /people/<pk>/rights/
        POST /people/<pk>/link/
        POST /people/<pk>/remove/
        GET /people/<pk>/sign-in/
        POST /people/<pk>/sign-in/codes-off/
        POST /people/<pk>/sign-in/passkeys/<key>/remove/
        POST /people/<pk>/sign-in/sessions/end-all/
        POST /people/<pk>/sign-in/sessions/<session>/end/
        POST /people/<pk>/role/
        POST /people/<pk>/access/
        POST /reservations/<pk>/break
        POST /som-types/new/
        POST /som-types/<name>/
        POST /boards/<board>/settings/
        POST /boards/<board>/switch/reset
        POST /boards/<board>/controller/restart
        POST /boards/<board>/consoles/stages/
        POST /boards/<board>/consoles/stages/<rule>/
        POST /boards/<board>/slots/<number>/console/settings/
        POST /audit/verify
        POST /audit/export
        POST /images/<image_id>/delete
        POST /boards/<board>/switch/recovery/by-itself
        """,
    )
    | _rows(
        SEEING,  # a page that asks before an act is shown to whoever sees the thing, and says who may
        """
        GET /
        GET /boards/
        GET /boards/<board>/
        GET /boards/<board>/nav
        GET /boards/<board>/settings/
        GET /boards/<board>/switch/reset
        GET /boards/<board>/controller/restart
        GET /som-types/new/
        GET /som-types/<name>/
        GET /boards/<board>/slots/<number>/
        GET /boards/<board>/slots/<number>/history/
        GET /boards/<board>/slots/<number>/som/
        GET /boards/<board>/slots/<number>/som/remove
        GET /boards/<board>/slots/<number>/reset/confirm
        GET /boards/<board>/slots/<number>/mark-off
        GET /boards/<board>/slots/<number>/clear-latch
        GET /boards/<board>/reservations/
        GET /boards/<board>/slots/<number>/reserve
        GET /reservations/<pk>/extend
        GET /reservations/<pk>/break
        GET /boards/<board>/consoles/
        GET /boards/<board>/consoles/search/
        GET /boards/<board>/consoles/stages/
        GET /boards/<board>/consoles/stages/<rule>/
        GET /boards/<board>/slots/<number>/console/
        GET /boards/<board>/slots/<number>/console/panel
        GET /boards/<board>/slots/<number>/console/settings/
        GET /boards/<board>/slots/<number>/recordings/
        GET /boards/<board>/slots/<number>/recordings/data
        GET /boards/<board>/slots/<number>/recordings/download
        GET /audit/
        GET /operations/<operation_id>/
        GET /images/
        GET /images/room
        GET /images/uploads
        GET /images/import
        GET /images/<image_id>/
        GET /images/<image_id>/delete
        GET /boards/<board>/flashing/
        GET /boards/<board>/flashing/new/
        GET /boards/<board>/flashing/new/image/
        GET /boards/<board>/flashing/new/method/
        GET /boards/<board>/flashing/new/first-boot/
        GET /boards/<board>/flashing/new/review/
        GET /boards/<board>/flashing/new/network/<number>
        GET /boards/<board>/flashing/runs/<run_id>/
        GET /boards/<board>/flashing/runs/<run_id>/log
        GET /boards/<board>/flashing/runs/<run_id>/log.txt
        GET /boards/<board>/flashing/runs/<run_id>/cancel
        GET /boards/<board>/flashing/jobs/<operation_id>/retry
        GET /flashing/profiles/
        GET /flashing/profiles/new
        GET /flashing/profiles/<profile_id>/
        GET /flashing/profiles/<profile_id>/delete
        GET /boards/<board>/switch/
        GET /boards/<board>/switch/vlans.yaml
        GET /boards/<board>/switch/ports/
        GET /boards/<board>/switch/isolation/
        GET /boards/<board>/switch/reset/
        GET /boards/<board>/switch/addresses/
        GET /boards/<board>/switch/recovery
        GET /boards/<board>/switch/revisions/
        GET /boards/<board>/switch/revisions/<number>/
        """,
    )
    | _rows(
        OPERATORS,
        """
        GET /boards/<board>/several/confirm
        POST /boards/<board>/several
        POST /boards/<board>/slots/<number>/reset
        POST /boards/<board>/slots/<number>/mark-off
        POST /boards/<board>/slots/<number>/clear-latch
        POST /boards/<board>/slots/<number>/som/
        POST /boards/<board>/slots/<number>/som/remove
        """,
    )
    | _rows(RESERVING, "POST /boards/<board>/slots/<number>/reserve")
    | _rows(HOLDER, "POST /reservations/<pk>/extend\nPOST /reservations/<pk>/release")
    | _rows(
        FLASHERS,
        """
        POST /operations/<operation_id>/cancel
        POST /images/uploads/<upload_id>/cancel
        POST /images/import
        POST /images/<image_id>/
        POST /images/<image_id>/retire
        POST /images/<image_id>/bring-back
        POST /boards/<board>/flashing/new/review/
        POST /boards/<board>/flashing/new/network/<number>/trust
        POST /boards/<board>/flashing/runs/<run_id>/cancel
        POST /boards/<board>/flashing/jobs/<operation_id>/holding
        POST /boards/<board>/flashing/jobs/<operation_id>/simulated-hands
        POST /boards/<board>/flashing/jobs/<operation_id>/cancel
        POST /boards/<board>/flashing/jobs/<operation_id>/retry
        POST /flashing/profiles/new
        POST /flashing/profiles/<profile_id>/
        POST /flashing/profiles/<profile_id>/delete
        """,
    )
    | _rows(
        ENGINEERS,
        """
        GET /boards/<board>/switch/preview
        POST /boards/<board>/switch/edit
        GET POST /boards/<board>/switch/vlans/new
        GET POST /boards/<board>/switch/vlans/<vid>
        GET POST /boards/<board>/switch/intake
        GET POST /boards/<board>/switch/templates/<key>
        GET POST /boards/<board>/switch/import
        GET POST /boards/<board>/switch/ports/<place>
        GET POST /boards/<board>/switch/mirror
        POST /boards/<board>/switch/isolation/pair
        POST /boards/<board>/switch/isolation/all/<key>
        POST /boards/<board>/switch/discard
        POST /boards/<board>/switch/scan
        POST /boards/<board>/switch/commit
        POST /boards/<board>/switch/changes/<number>/roll-back
        POST /boards/<board>/switch/changes/<number>/acknowledge
        POST /boards/<board>/switch/recovery/restore
        POST /boards/<board>/switch/revisions/<number>/restore
        """,
    )
    | _rows(
        COMMITTER,
        """
        POST /boards/<board>/switch/changes/<number>/confirm
        POST /boards/<board>/switch/changes/<number>/extend
        """,
    )
)

API = (
    _rows(ANYBODY, "GET HEAD /openapi.json\nGET HEAD /docs\nOPTIONS /images/uploads", ALWAYS, "/api/v1")
    | _api(SIGNED_IN, ALWAYS, "GET /me")
    | _api(SIGNED_IN, LOOKING, "GET /tokens\nGET /notices")
    | _api(SIGNED_IN, RESERVE, "POST /notices/<notice_id>/seen")
    | _api(SIGNED_IN, PEOPLE_SCOPE, "DELETE /tokens/<prefix>")  # of others; a token may always end itself
    | _api(SIGNED_IN, NEVER, "POST /tokens")
    | _api(
        SEEING,
        LOOKING,
        """
        GET /boards
        GET /boards/<board>
        GET /boards/<board>/settings
        GET /boards/<board>/consoles
        GET /boards/<board>/slots/<number>
        GET /boards/<board>/slots/<number>/history
        GET /boards/<board>/slots/<number>/som
        GET /boards/<board>/slots/<number>/flash-methods
        GET /boards/<board>/slots/<number>/console/settings
        GET /boards/<board>/recordings/search
        GET /som-types
        GET /som-types/<name>
        GET /boards/<board>/reservations
        GET /reservations
        GET /reservations/<reservation_id>
        GET /operations
        GET /operations/<operation_id>
        GET /flash-runs
        GET /flash-runs/<run_id>
        GET /console-stages
        GET /console-stages/<rule>
        """,
    )
    | _api(SEEING, READ, "GET /audit")
    | _api(ADMINISTRATORS, READ, "GET /audit/<seq>\nPOST /audit/verify\nPOST /audit/export")
    | _api(
        OPERATORS,
        POWER,
        """
        POST /boards/<board>/power
        POST /boards/<board>/slots/<number>/reset
        POST /boards/<board>/slots/<number>/mark-off
        POST /boards/<board>/slots/<number>/clear-latch
        PUT DELETE /boards/<board>/slots/<number>/som
        """,
    )
    | _api(
        SEEING,
        CONSOLE,
        """
        GET /boards/<board>/slots/<number>/console
        GET /boards/<board>/slots/<number>/recordings
        GET /boards/<board>/slots/<number>/recordings/data
        GET /boards/<board>/slots/<number>/recordings/download
        """,
    )
    | _api(ADMINISTRATORS, FLASH, "DELETE /images/<image_id>")
    | _api(RESERVING, RESERVE, "POST /boards/<board>/slots/<number>/reservations")
    | _api(HOLDER, RESERVE, "PATCH DELETE /reservations/<reservation_id>")
    | _api(
        ADMINISTRATORS,
        NEVER,
        """
        POST /machines
        POST /boards/<board>/switch/reset
        POST /boards/<board>/controller/restart
        PUT /boards/<board>/settings
        PUT /boards/<board>/slots/<number>/console/settings
        PUT /som-types/<name>
        POST /console-stages
        PUT DELETE /console-stages/<rule>
        POST /reservations/<reservation_id>/break
        PUT /boards/<board>/switch/recovery
        """,
    )
    | _api(
        ADMINISTRATORS,
        PEOPLE_SCOPE,
        """
        GET /people
        GET PATCH /people/<name>
        GET /people/<name>/may
        GET DELETE /people/<name>/sessions
        DELETE /people/<name>/sessions/<session>
        POST /people/<name>/rights
        GET /groups
        GET PUT PATCH DELETE /groups/<name>
        POST /groups/<name>/rights
        DELETE /rights/<right>
        """,
    )
    | _api(
        SEEING,
        READ | FLASH,
        """
        GET /images
        GET /images/<image_id>
        GET /images/<image_id>/bmap
        GET /images/uploads
        GET /images/uploads/<upload_id>
        GET /flash-profiles
        GET /flash-profiles/<profile_id>
        """,
    )
    | _api(
        FLASHERS,
        FLASH,
        """
        POST /images/import
        POST /images/uploads
        PATCH /images/<image_id>
        POST /images/<image_id>/retire
        POST /images/<image_id>/bring-back
        POST /boards/<board>/slots/<number>/flash
        POST /boards/<board>/flash-runs
        POST /flash-jobs/<job_id>/holding
        POST /flash-jobs/<job_id>/retry
        POST /flash-runs/<run_id>/cancel
        POST /operations/<operation_id>/cancel
        GET /boards/<board>/slots/<number>/flash-network
        GET /boards/<board>/slots/<number>/flash-network/disks
        POST /boards/<board>/slots/<number>/flash-network/trust
        POST /flash-profiles
        PUT DELETE /flash-profiles/<profile_id>
        """,
    )
    | {"DELETE /api/v1/images/uploads/<upload_id>": Row(FLASHERS, FLASH, FLASHER)}  # one's own, or anybody's by session
    | _api(
        UPLOADER,
        FLASH,
        """
        HEAD PATCH /images/uploads/<upload_id>
        PUT /images/uploads/<upload_id>/bmap
        """,
    )
    | _api(
        SEEING,
        READ | SWITCH,
        """
        GET /boards/<board>/switch
        GET /boards/<board>/switch/vlans
        GET /boards/<board>/switch/vlans.yaml
        POST /boards/<board>/switch/plan
        GET /boards/<board>/switch/changes/<number>
        GET /boards/<board>/switch/revisions
        GET /boards/<board>/switch/revisions/<number>
        GET /boards/<board>/switch/recovery
        GET /boards/<board>/switch/ports
        GET /boards/<board>/switch/traffic
        GET /boards/<board>/switch/fdb
        """,
    )
    | _api(
        ENGINEERS,
        SWITCH,
        """
        PUT DELETE /boards/<board>/switch/vlans
        PUT /boards/<board>/switch/vlans.yaml
        POST /boards/<board>/switch/commit
        POST /boards/<board>/switch/rollback
        POST /boards/<board>/switch/scan
        POST /boards/<board>/switch/restore
        POST /boards/<board>/switch/revisions/<number>/restore
        POST /boards/<board>/switch/changes/<number>/acknowledge
        """,
    )
    | _api(COMMITTER, SWITCH, "POST /boards/<board>/switch/confirm\nPOST /boards/<board>/switch/extend")
)

DOORS = PAGES | API

SOCKETS = {
    "/ws/events/": Row(SEEING, LOOKING),
    "/ws/consoles/<board>/<slot>/": Row(SEEING, CONSOLE),
    "/": Row(NO_ONE),  # wherever else
}

#: What has to be sent so that the right is what decides: with nothing sent the door would complain of that first.
FORMS: dict[str, dict[str, str]] = {
    "POST /boards/<board>/several": {"verb": "start", "slots": f"{SLOT}"},
    "POST /boards/<board>/slots/<number>/reset": {"reset_type": "PushPowerButton"},
    "POST /boards/<board>/slots/<number>/reserve": {"purpose": "swap SSD", "seconds": "7200"},
    "POST /reservations/<pk>/extend": {"seconds": "3600"},
    "POST /reservations/<pk>/break": {"reason": "The fan is on fire."},
    "POST /boards/<board>/flashing/new/network/<number>/trust": {"host": "root@127.0.0.1", "fingerprint": "SHA256:x"},
    "POST /boards/<board>/switch/edit": {"cell": "10:3:U"},
    "POST /boards/<board>/switch/vlans/new": {"vid": "20", "name": "lab"},
    "POST /boards/<board>/switch/commit": {"fingerprint": "0" * 16},
    "POST /boards/<board>/switch/ports/<place>": {"enabled": "on", "link": "auto", "flow_control": "auto"},
    "POST /boards/<board>/switch/isolation/pair": {"pair": "2:3:apart"},
}
_FLASH = {"image_id": str(IMAGE), "method": "file", "medium": "file", "typed": "kestrel"}
BODIES: dict[str, object] = {
    "PUT /api/v1/groups/<name>": {"members": ["carol"]},
    "POST /api/v1/boards/<board>/slots/<number>/reset": {"reset_type": "PushPowerButton"},
    "POST /api/v1/boards/<board>/slots/<number>/flash": _FLASH,
    "POST /api/v1/boards/<board>/flash-runs": {
        "image_id": str(IMAGE),
        "targets": [{"slot": SLOT, "method": "file", "medium": "file", "typed": "kestrel"}],
    },
}
_TUS = {"Tus-Resumable": "1.0.0"}
HEADERS: dict[str, dict[str, str]] = {
    "POST /api/v1/images/uploads": {**_TUS, "Upload-Length": "9"},
    "HEAD /api/v1/images/uploads/<upload_id>": _TUS,
    "PATCH /api/v1/images/uploads/<upload_id>": {**_TUS, "Upload-Offset": "0"},
    "DELETE /api/v1/images/uploads/<upload_id>": _TUS,
}
_CHOSEN = f"slot={SLOT}&image={IMAGE}&to-{SLOT}=file/file&profile=none"
QUERIES: dict[str, str] = {
    "GET /api/v1/flash-runs": "board=demo",
    "GET /api/v1/people/<name>/may": "action=flash&scope=demo/slot:3",
    "GET /api/v1/boards/<board>/recordings/search": "q=login",
    "GET /api/v1/boards/<board>/slots/<number>/flash-network": "host=root@127.0.0.1",
    "GET /api/v1/boards/<board>/slots/<number>/flash-network/disks": "host=root@127.0.0.1",
    "GET /boards/<board>/slots/<number>/reset/confirm": "reset_type=PushPowerButton",
    "GET /boards/<board>/several/confirm": f"verb=start&slots={SLOT}",
    **{f"GET /boards/<board>/flashing/new/{step}/": _CHOSEN for step in ("image", "method", "first-boot", "review")},
    "POST /boards/<board>/flashing/new/review/": _CHOSEN,
}

#: What may be written although it was only looked at, and the words that say why.
KEPT: dict[str, str] = {
    "GET /account/codes/": "the secret that the page shows, until it is confirmed",
    "GET /boards/<board>/switch/preview": "what the chip holds, once it was read",
    "GET /api/v1/boards/<board>/switch/fdb": "what the chip has learnt, once it was read",
    "GET /boards/<board>/switch/addresses/": "what the chip has learnt, once it was read",
}
#: What reads a chip for a second: of those let in, one tries.
SLOW = frozenset({"GET /api/v1/boards/<board>/switch/fdb"})
#: What answers 404 whatever is asked of it.
NOTHING_THERE = frozenset({"/api/v1/"})
