"""A board's VLANs as a YAML file, and back."""

import re
from typing import Any

import yaml

from hardware.switch_setup import SwitchSetup
from operations import refusals, roles
from operations.roles import Actor
from slots.models import Board
from switch.documents import Document, to_document
from switch.editing import together
from switch.services import drafts, running
from switch.services.drafts import Draft

LONGEST_FILE = 64 * 1024  # characters; a table of seven slots takes 2,000


class _Loader(yaml.SafeLoader):
    """The safe loader without what says something else than it seems to: aliases, by which a short file could stand for
    a huge one; a key said twice, of which the last one counts; numbers to another base than ten."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not used here", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        said: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in said:
                raise yaml.MarkedYAMLError(problem=f"{key.value[:40]} is said twice", problem_mark=key.start_mark)
            said |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


# What looks like a number otherwise, 010 or 1:30 or 0x0A, stays text, which is no VID.
_INT = "tag:yaml.org,2002:int"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _INT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_DECIMAL = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,8})\Z")


def _number(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    if not _DECIMAL.match(text):
        raise yaml.MarkedYAMLError(problem="a number has one to nine digits", problem_mark=node.start_mark)
    return int(text)


_Loader.add_implicit_resolver(_INT, _DECIMAL, list("+-0123456789"))
_Loader.add_constructor(_INT, _number)


def export_yaml(board: Board) -> str:
    """The draft as a file; without one, what was last confirmed, else what runs. Raises `Conflict` if there is none."""
    document = current(board)
    if document is None:
        raise refusals.Conflict("Nothing is known of this switch yet, and there is no draft.", code="no-draft")
    head = f"# VLANs of {board.slug}. Ports are slots 1 to 7 and the uplink.\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None)


def begun(board: Board) -> Document:
    """The document that people would go on from, all in one VLAN where there is none."""
    return current(board) or to_document(SwitchSetup(together(running.wiring(board))), running.wiring(board))


def text_of(data: bytes) -> str:
    """The text of a file. Raises `BadRequest`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refusals.BadRequest("The file is not UTF-8 text.", code="vlan-file") from None


def current(board: Board) -> Document | None:
    """The document that people would go on from."""
    draft = drafts.get(board)
    if draft is not None:
        return to_document(draft.setup, running.wiring(board))
    known = running.of(board)
    if known.confirmed is not None:
        document: Document = known.confirmed.document
        return document
    return to_document(known.setup, running.wiring(board)) if known.setup else None


def import_yaml(board: Board, text: str, actor: Actor, version: int | None = None) -> Draft:
    """Make a file the draft. Raises `NotPermitted`, `BadRequest` with one sentence, and `Outdated` if the draft is not
    that `version` any more."""
    roles.require(actor, "switch.edit", running.resource(board))
    if len(text) > LONGEST_FILE:
        raise refusals.BadRequest(f"The file is longer than {LONGEST_FILE} characters.", code="vlan-file")
    try:
        document = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refusals.BadRequest(f"This is not YAML that can be read: {_place(error)}.", code="vlan-file") from error
    return drafts.save_document(board, document, actor, version)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "its text is not as YAML has it"
    return f"line {mark.line + 1}: {problem}" if mark else problem
