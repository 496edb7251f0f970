from django.urls import path

from switch.views import addresses, changes, isolation, ports, reset, restore, revisions, vlans

app_name = "switch"
SWITCH = "boards/<slug:board>/switch"
CHANGE = f"{SWITCH}/changes/<int:number>"
urlpatterns = [
    path(f"{SWITCH}/", vlans.vlans_page, name="vlans"),
    path(f"{SWITCH}/edit", vlans.edit_cell, name="edit"),
    path(f"{SWITCH}/vlans/new", vlans.add_vlan, name="add"),
    path(f"{SWITCH}/vlans/<int:vid>", vlans.change_vlan, name="vlan"),
    path(f"{SWITCH}/intake", vlans.change_intake, name="intake"),
    path(f"{SWITCH}/templates/<slug:key>", vlans.use_pattern, name="pattern"),
    path(f"{SWITCH}/import", vlans.import_file, name="import"),
    path(f"{SWITCH}/vlans.yaml", vlans.export_file, name="export"),
    path(f"{SWITCH}/discard", vlans.discard, name="discard"),
    path(f"{SWITCH}/scan", vlans.scan, name="scan"),
    path(f"{SWITCH}/preview", changes.preview, name="preview"),
    path(f"{SWITCH}/commit", changes.commit, name="commit"),
    path(f"{CHANGE}/confirm", changes.confirm, name="confirm"),
    path(f"{CHANGE}/extend", changes.extend, name="extend"),
    path(f"{CHANGE}/roll-back", changes.roll_back, name="roll-back"),
    path(f"{CHANGE}/acknowledge", changes.acknowledge, name="acknowledge"),
    path(f"{SWITCH}/ports/", ports.ports_page, name="ports"),
    path(f"{SWITCH}/ports/<slug:place>", ports.change_port, name="port"),
    path(f"{SWITCH}/isolation/", isolation.isolation_page, name="isolation"),
    path(f"{SWITCH}/isolation/pair", isolation.edit_pair, name="pair"),
    path(f"{SWITCH}/isolation/all/<slug:key>", isolation.edit_whole, name="isolate"),
    path(f"{SWITCH}/mirror", isolation.edit_mirror, name="mirror"),
    path(f"{SWITCH}/reset/", reset.reset_page, name="reset"),
    path(f"{SWITCH}/addresses/", addresses.addresses_page, name="addresses"),
    path(f"{SWITCH}/recovery", restore.restore_panel, name="recovery"),
    path(f"{SWITCH}/recovery/restore", restore.restore_last, name="restore-last"),
    path(f"{SWITCH}/recovery/by-itself", restore.let_restore, name="let-restore"),
    path(f"{SWITCH}/revisions/", revisions.revisions_page, name="revisions"),
    path(f"{SWITCH}/revisions/<int:number>/", revisions.revision_page, name="revision"),
    path(f"{SWITCH}/revisions/<int:number>/restore", revisions.restore, name="restore"),
]
