"""Flashes of a running portal, as a person makes them: an image, hands at the simulated board, words to the API."""

import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.flows.scene import Scene

API = "/api/v1"
MIB = 1 << 20
GAP = 4 * MIB  # between the image's two pieces of data


class Flashes:
    """What tests do to a scene's slots. `slow_mb_per_s` is of the board's time."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._image_id = ""

    def image_bytes(self) -> bytes:
        """Data, a hole, data; and no partition table, so that nothing boots from it."""
        return random.Random(7).randbytes(8 * MIB) + bytes(GAP) + random.Random(8).randbytes(4 * MIB)

    @property
    def image_id(self) -> str:
        """The image in the library, imported at the first call."""
        if not self._image_id:
            folder = self.scene.data / "import"
            folder.mkdir(exist_ok=True)
            (folder / "lab.img").write_bytes(self.image_bytes())
            answer = self.scene.client.post(f"{API}/images/import", {"path": "lab.img"})
            assert answer.status_code == 202, answer.text
            self._image_id = str(answer.json()["id"])
            self.scene.wait(lambda: self.scene.client.get(f"{API}/images/{self._image_id}").status_code == 200, "image")
        return self._image_id

    def name(self, slot: int) -> str:
        row = self.scene.rows(
            "SELECT name FROM slots_som JOIN slots_slot ON slots_slot.id = slot_id WHERE number = ?", slot
        )[0]
        return row["name"] or f"slot {slot}"

    def ask(self, *slots: int, method: str = "rpiboot", medium: str = "eMMC") -> dict[int, str]:
        """Queue one run; the jobs' ids by slot."""
        targets = [{"slot": n, "method": method, "medium": medium, "typed": self.name(n)} for n in slots]
        answer = self.scene.client.post(
            f"{API}/boards/demo/flash-runs", {"image_id": self.image_id, "targets": targets}
        )
        assert answer.status_code == 202, answer.text
        return {job["slot"]: job["id"] for job in answer.json()["jobs"]}

    def retry(self, job: str, slot: int) -> str:
        """The id of the new run's job."""
        answer = self.scene.client.post(f"{API}/flash-jobs/{job}/retry", {"typed": self.name(slot)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobs"][0]["id"])

    def job(self, job: str) -> Any:
        query = (
            "SELECT f.*, o.state, o.code, o.message FROM flashing_flashjob f JOIN operations_operation o "
            "ON o.id = f.operation_id WHERE o.id = ?"
        )
        return self.scene.rows(query, job.replace("-", ""))[0]

    def slot(self, number: int) -> Any:
        return self.scene.rows("SELECT * FROM slots_slot WHERE number = ?", number)[0]

    def wait_phase(self, job: str, *phases: str) -> None:
        def reached() -> bool:
            row = self.job(job)
            ended = row["state"] not in ("queued", "running")
            assert row["phase"] in phases or not ended, f"it ended: {dict(row)}\n{self.scene.rows.log(job)}"
            return row["phase"] in phases

        self.scene.catch(reached, f"phase {phases}")

    def hold_boot(self, slot: int, job: str) -> None:
        """Cable in, BOOT held, the portal told so, and BOOT let go of once the boot ROM has answered."""
        self.scene.wait(lambda: self.job(job)["hands_step"] == 1, f"slot {slot} to ask for hands")
        self.scene.board("usb", slot, "plug")
        self.scene.board("boot-button", slot, "hold")
        answer = self.scene.client.post(f"{API}/flash-jobs/{job}/holding")
        assert answer.status_code == 202, answer.text
        self.scene.wait(lambda: self.job(job)["hands_step"] not in (1, 2), f"the boot ROM of slot {slot}")
        self.scene.board("boot-button", slot, "release")

    def try_to_hold_boot(self, slot: int, job: str) -> None:
        """The same, unless it ends before."""
        with suppress(AssertionError):
            while self.job(job)["hands_step"] != 1:
                if self.job(job)["state"] not in ("queued", "running"):
                    return
                time.sleep(0.02)
            self.scene.board("usb", slot, "plug")
            self.scene.board("boot-button", slot, "hold")
            self.scene.client.post(f"{API}/flash-jobs/{job}/holding")

    def writing(self, slot: int, mb_per_s: float = 0.25, **more: Any) -> str:
        """A flash of one slot that is being written, slowly: some seconds."""
        self.scene.board("fault", "disk-slow", slot, mb_per_s)
        job = self.ask(slot, **more)[slot]
        if more.get("method", "rpiboot") == "rpiboot":
            self.hold_boot(slot, job)
        self.wait_phase(job, "writing")
        return job

    def cancelled(self, job: str) -> str:
        """The same job, once somebody has cancelled it."""
        answer = self.scene.client.post(f"{API}/operations/{job}/cancel")
        assert answer.status_code == 202, answer.text
        return job

    def said(self, job: str, words: str) -> int:
        """How many lines of its log begin so."""
        return sum(line.startswith(words) for line in self.scene.rows.log(job))

    def wait_ended(self, job: str) -> Any:
        self.scene.wait_ended(job, 60)
        self.scene.wait(lambda: self.job(job)["phase"] == "ended", "the job to be closed")
        return self.job(job)

    def storage(self, slot: int) -> Path:
        return next((self.scene.portal.board.directory / "disks").glob(f"slot-{slot}-emmc*"))

    def head(self, slot: int) -> bytes:
        """The first MiB of its storage; one that was never written to has no file yet."""
        if not list((self.scene.portal.board.directory / "disks").glob(f"slot-{slot}-emmc*")):
            return bytes(MIB)
        with open(self.storage(slot), "rb") as disk:
            return disk.read(MIB)

    def holds_image(self, slot: int) -> bool:
        """Compared over its data, byte for byte."""
        image, size = self.image_bytes(), len(self.image_bytes())
        with open(self.storage(slot), "rb") as disk:
            held = disk.read(size)
        return held[: 8 * MIB] == image[: 8 * MIB] and held[8 * MIB + GAP :] == image[8 * MIB + GAP :]

    def put_away(self, *slots: int) -> None:
        """Cables out, BOOT let go of, whatever was going on ended."""
        for slot in slots:
            self.scene.board("usb", slot, "unplug")
            self.scene.board("boot-button", slot, "release")
        for row in self.scene.rows("SELECT id FROM operations_operation WHERE state IN ('queued', 'running')"):
            with suppress(AssertionError):
                self.scene.client.post(f"{API}/operations/{row['id']}/cancel")

    def make_off(self, slot: int) -> None:
        """The portal believes the slot to be off, and it is."""
        self.scene.power_up()
        if self.slot(slot)["power_state"] != "Off":
            assert self.scene.client.mark_off(slot).status_code == 302
