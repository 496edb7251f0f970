"""The image library over REST; uploads by tus 1.0 (`images.tus`), in chunks of at most 8 MiB."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date
from ninja import Field, Query, Router, Schema, Status
from ninja.decorators import decorate_view

from images import tus
from images.models import FirmwareImage, Upload, UploadState
from images.services import importing, library, space, uploads
from operations import refusals, roles
from operations.api import ACT_ERRORS, EDIT_ERRORS, ERRORS, IF_MATCH, Page, Problem, Strict, cut, one_of, sends, takes
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act
from slots.models import SomType

router = Router(tags=["images"])
CREATION = {"Tus_Resumable": tus.VERSION, "Upload_Length": "4096", "Upload_Metadata": "filename cGkuaW1n"}
UPLOAD_ERRORS = {**ACT_ERRORS, **dict.fromkeys((410, 412, 415, 460), Problem)}


class PartitionOut(Schema):
    number: int
    first_byte: int
    size_bytes: int
    kind: str
    name: str
    bootable: bool
    file_system: str
    label: str


class ImageOut(Schema):
    id: UUID
    name: str
    file_name: str
    format: str
    stored_bytes: int = Field(description="Of the file as it lies in the library, compressed or not.")
    size_bytes: int = Field(description="Expanded: what it takes on a storage.")
    mapped_bytes: int = Field(description="Of these, what is written; the rest are holes.")
    sha256: str
    sha256_compared: bool = Field(description="Whoever brought it gave a hash, and it was that.")
    block_map_given: bool
    scheme: str
    partitions: list[PartitionOut]
    boot_partition: int | None
    som_types: list[str]
    fit_chosen_by: str
    notes: str
    origin: str
    added_at: datetime
    added_by: str
    retired_at: datetime | None
    problem: str


class ImageList(Schema):
    count: int
    quota_bytes: int
    used_bytes: int
    disk_free_bytes: int
    images: list[ImageOut]


class UploadOut(Schema):
    id: UUID
    file_name: str
    size_bytes: int
    received_bytes: int
    state: str = Field(description=one_of(UploadState.values))
    actor: str
    origin: str
    checked_bytes: int
    expanded_bytes: int
    expires_at: datetime
    code: str
    message: str


class UploadList(Schema):
    count: int
    uploads: list[UploadOut]


class ImageIn(Strict):
    name: str | None = Field(None, max_length=120)
    notes: str | None = Field(None, max_length=10_000)
    som_types: list[str] | None = None


class ImportIn(Strict):
    path: str = Field(max_length=300, description="Relative to the portal's import directory.")
    sha256: str = Field("", max_length=65_536, description="A hash, or the text of a checksum file.")


class WhichImages(Page):
    q: str = Field("", max_length=200, description="A part of the name, or the beginning of the hash.")
    som_type: str = Field("", max_length=30, examples=["CM4"])
    state: Literal["", "usable", "retired"] = ""


def edited(image: FirmwareImage) -> dict[str, Any]:
    """What of an image can be edited here: its ETag is of this."""
    types = sorted(som_type.name for som_type in image.som_types.all())
    return {"name": image.name, "notes": image.notes, "som_types": types}


def image_json(image: FirmwareImage) -> dict[str, Any]:
    plain = {name: getattr(image, name) for name in ImageOut.model_fields if hasattr(image, name)}
    types = sorted(som_type.name for som_type in image.som_types.all())
    return {**plain, "som_types": types, "problem": library.problem(image)}


@router.get("/images", response={200: ImageList, **ERRORS})
def list_images(request: ActorRequest, asked: Query[WhichImages]) -> dict[str, Any]:
    """The image library, the newest first, and how much room it has."""
    roles.require(request.actor, "image.view", "portal")
    room = space.measure()
    count, page = cut(library.search(asked.q, asked.som_type, asked.state), asked)
    return {
        "count": count,
        "quota_bytes": room.quota,
        "used_bytes": room.used,
        "disk_free_bytes": room.disk_free,
        "images": [image_json(image) for image in page],
    }


@router.post("/images/import", response={202: UploadOut, **ACT_ERRORS})
def import_image(request: ActorRequest, body: ImportIn) -> Any:
    """Have a file that lies in the portal's import directory copied, inspected and kept."""
    actor = begin_act(request, "image.import", "portal")
    roles.require(actor, "image.upload", "portal")
    return Status(202, importing.begin(body.path, body.sha256, actor))


@router.get("/images/{uuid:image_id}", response={200: ImageOut, **ERRORS})
def get_image(request: ActorRequest, response: HttpResponse, image_id: UUID) -> dict[str, Any]:
    """One image: what was found in it, and what people say of it. The ETag is for PATCH."""
    roles.require(request.actor, "image.view", "portal")
    image = library.find(image_id)
    response["ETag"] = etag(edited(image))
    return image_json(image)


@router.get("/images/{uuid:image_id}/bmap", response={200: None, **ACT_ERRORS}, openapi_extra=sends("application/xml"))
def get_block_map(request: ActorRequest, image_id: UUID) -> HttpResponse:
    """The block map as a bmap 2.0 file."""
    roles.require(request.actor, "image.view", "portal")
    image = library.find(image_id)
    headers = {"Content-Disposition": f'attachment; filename="{image.pk}.bmap"'}
    return HttpResponse(library.block_map(image).to_bmap(), content_type="application/xml", headers=headers)


@router.patch("/images/{uuid:image_id}", response={200: ImageOut, **EDIT_ERRORS})
def edit_image(
    request: ActorRequest, response: HttpResponse, image_id: UUID, body: ImageIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Change the name, the notes, or which SOM types it is for; what is left out stays."""
    image = library.find(image_id)
    actor = begin_act(request, "image.edit", image.resource)
    roles.require(actor, "image.edit", "portal")
    name = image.name if body.name is None else body.name
    notes = image.notes if body.notes is None else body.notes
    types = None if body.som_types is None else named_types(body.som_types)
    with unchanged(if_match, FirmwareImage.objects.filter(pk=image_id), lambda: edited(library.find(image_id))):
        library.describe(image, actor, name=name, notes=notes, som_types=types)
    return get_image(request, response, image_id)


def named_types(names: list[str]) -> list[SomType]:
    """The SOM types of these names. Raises `BadRequest` naming the first that there is not."""
    known = {som_type.name: som_type for som_type in SomType.objects.all()}
    if unknown := sorted(set(names) - known.keys()):
        raise refusals.BadRequest(f"There is no SOM type {unknown[0]}.", code="unknown-som-type")
    return [known[name] for name in set(names)]


@router.post("/images/{uuid:image_id}/retire", response={200: ImageOut, **ERRORS})
def retire_image(request: ActorRequest, image_id: UUID) -> dict[str, Any]:
    """Offer it for no new flash; it stays and can be brought back."""
    image = library.find(image_id)
    library.retire(image, begin_act(request, "image.retire", image.resource))
    return image_json(library.find(image_id))


@router.post("/images/{uuid:image_id}/bring-back", response={200: ImageOut, **ERRORS})
def bring_back_image(request: ActorRequest, image_id: UUID) -> dict[str, Any]:
    """Offer a retired image again."""
    image = library.find(image_id)
    library.bring_back(image, begin_act(request, "image.bring-back", image.resource))
    return image_json(library.find(image_id))


@router.delete("/images/{uuid:image_id}", response={204: None, **ERRORS})
def delete_image(request: ActorRequest, image_id: UUID) -> Any:
    """Delete a retired image that nobody reads, for good."""
    image = library.find(image_id)
    library.delete(image, begin_act(request, "image.delete", image.resource))
    return Status(204, None)


# ---- Uploads -----------------------------------------------------------------------------------------------------


def resumable(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Every answer of the protocol, a refusal included, says which version it is; no cache may keep it."""

    @wraps(run)
    def answered(*args: Any, **kwargs: Any) -> HttpResponse:
        response = run(*args, **kwargs)
        response["Tus-Resumable"] = tus.VERSION
        response["Cache-Control"] = "no-store"
        return response

    return answered


def upload_url(upload_id: UUID) -> str:
    return f"/api/v1/images/uploads/{upload_id}"


def resume_headers(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.received_bytes), "Upload-Expires": http_date(upload.expires_at.timestamp())}


@router.get("/images/uploads", response={200: UploadList, **UPLOAD_ERRORS})
def list_uploads(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """What is on its way: arriving, being copied or inspected, or refused and not yet put away."""
    roles.require(request.actor, "image.view", "portal")
    count, found = cut(Upload.objects.all(), page)
    return {"count": count, "uploads": found}


@router.api_operation(["OPTIONS"], "/images/uploads", auth=None, response={204: None})
@decorate_view(resumable)
def describe_protocol(request: HttpRequest) -> HttpResponse:
    """What of tus is spoken here. Needs no login."""
    headers = {"Tus-Version": tus.VERSION, "Tus-Extension": tus.EXTENSIONS, "Tus-Max-Size": str(uploads.MOST_BYTES)}
    headers["Tus-Checksum-Algorithm"] = ",".join(tus.DIGESTS)
    return HttpResponse(status=204, headers=headers)


@router.post("/images/uploads", response={201: None, **UPLOAD_ERRORS}, openapi_extra=takes(**CREATION))
@decorate_view(resumable)
def create_upload(request: ActorRequest) -> HttpResponse:
    """tus: begin. `Upload-Length` and `Upload-Metadata` with `filename`, and `sha256` (a hash, or a checksum file's
    text) if there is one to compare with. Answers 201 with `Location`."""
    actor = begin_act(request, "image.upload", "portal")
    tus.check_version(request.headers)
    said = tus.metadata(request.headers.get("Upload-Metadata", ""))
    size = tus.number(request.headers, "Upload-Length")
    upload = uploads.begin(uploads.Wish(said.get("filename", ""), size, said.get("sha256", "")), actor)
    return HttpResponse(status=201, headers={"Location": upload_url(upload.pk), **resume_headers(upload)})


@router.api_operation(["HEAD"], "/images/uploads/{uuid:upload_id}", response={200: None, **UPLOAD_ERRORS})
@decorate_view(resumable)
def upload_offset(request: ActorRequest, upload_id: UUID) -> HttpResponse:
    """tus: where to go on. An upload that has become an image is whole."""
    roles.require(request.actor, "image.upload", "portal")
    kept = FirmwareImage.objects.filter(pk=upload_id).first()
    if kept:
        return HttpResponse(headers={"Upload-Offset": str(kept.stored_bytes), "Upload-Length": str(kept.stored_bytes)})
    upload = uploads.find(upload_id, request.actor)
    said = {"filename": upload.file_name, **({"sha256": upload.sha256} if upload.sha256 else {})}
    headers = {"Upload-Length": str(upload.size_bytes), "Upload-Metadata": tus.metadata_of(said)}
    return HttpResponse(headers={**headers, **resume_headers(upload)})


@router.get("/images/uploads/{uuid:upload_id}", response={200: UploadOut, **UPLOAD_ERRORS})
def get_upload(request: ActorRequest, upload_id: UUID) -> Upload:
    """How an upload stands. One that has become an image is not here any more: the image has its id."""
    roles.require(request.actor, "image.view", "portal")
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is None:
        raise refusals.NotFound("There is no such upload; it may be an image by now.", code="unknown-upload")
    return upload


@router.patch(
    "/images/uploads/{uuid:upload_id}",
    response={204: None, **UPLOAD_ERRORS},
    openapi_extra=takes(tus.CHUNK_TYPE, Tus_Resumable=tus.VERSION, Upload_Offset="0"),
)
@decorate_view(resumable)
def append_chunk(request: ActorRequest, upload_id: UUID) -> HttpResponse:
    """tus: a chunk of at most 8 MiB at `Upload-Offset`, with `Upload-Checksum` if it is to be compared. After the last
    one the file is inspected."""
    roles.require(request.actor, "image.upload", "portal")
    tus.check_version(request.headers)
    tus.check_chunk_type(request.headers)
    offset = tus.number(request.headers, "Upload-Offset")
    checksum = tus.checksum(request.headers.get("Upload-Checksum"))
    upload = uploads.find(upload_id, request.actor)
    length = tus.number(request.headers, "Content-Length")

    def read(size: int) -> bytes:
        try:
            return bytes(request.read(size))
        except ValueError:  # the client left while its chunk was being written; the body was closed behind us
            raise refusals.Conflict("The client left before its chunk was on the disk.", code="client-left") from None

    upload.received_bytes = uploads.append(upload, offset, length, read, checksum)
    return HttpResponse(status=204, headers=resume_headers(upload))


@router.put(
    "/images/uploads/{uuid:upload_id}/bmap",
    response={204: None, **UPLOAD_ERRORS},
    openapi_extra=takes("application/xml"),
)
def give_block_map(request: ActorRequest, upload_id: UUID) -> Any:
    """The file's block map (bmap 2.0), before its last byte; without one it is built."""
    roles.require(request.actor, "image.upload", "portal")
    uploads.give_block_map(uploads.find(upload_id, request.actor), request.body)
    return Status(204, None)


@router.delete(
    "/images/uploads/{uuid:upload_id}",
    response={204: None, **UPLOAD_ERRORS},
    openapi_extra=takes(Tus_Resumable=tus.VERSION),
)
@decorate_view(resumable)
def terminate_upload(request: ActorRequest, upload_id: UUID) -> HttpResponse:
    """tus: give it up, or put away the word of a refused one."""
    actor = begin_act(request, "image.cancel", "portal")
    tus.check_version(request.headers)
    uploads.cancel(upload_id, actor)
    return HttpResponse(status=204)
