"""The OpenAPI description: what the types say is completed by who may, what is refused by which code, and examples.

`described/operations.toml` says the first two by hand, and the suite holds them against what the portal does.
`described/examples.json` was recorded from it (`pytest tests/api/test_examples.py --record-examples`).
"""

import json
import tomllib
from pathlib import Path
from typing import Any

DESCRIBED = Path(__file__).with_name("described")
Schema = dict[str, Any]

# What a refusal of that status means, and its codes where an operation has none of its own.
REFUSED = {
    400: "What was sent cannot be: the sentence says what, and how it can.",
    401: "Nobody is signed in, or the token is none any more.",
    403: "The right is missing, the slot is somebody else's for a while, or a person must do this.",
    404: "It is not there, or not to be seen with these rights.",
    409: "Somebody or something is in the way; later it may go.",
    410: "It was here and will not come back.",
    412: "It is not what was read any more (If-Match), or another version of a protocol is spoken.",
    415: "The body is of another type than this takes.",
    422: "The portal will not do that; the sentence says why and what it does instead.",
    460: "What arrived is not what was sent; nothing of it counts.",
    503: "The board, the broker or a machine does not answer.",
}
ALWAYS = {400: ["invalid", "unstorable"], 401: ["not-signed-in", "token-refused"]}
ALWAYS |= {403: ["not-permitted"], 404: ["not-found"]}  # the latter of addresses that can be none
USUALLY = {409: "conflict", 410: "gone", 412: "outdated", 415: "unsupported-media"}
USUALLY |= {422: "refused", 460: "checksum-mismatch", 503: "unavailable"}
ETAG = {
    "description": "Of what can be edited here: an edit may repeat it as If-Match.",
    "schema": {"type": "string"},
    "example": '"92659ff3cd6736394ee5"',
    "required": True,
}
# What stands in addresses.
IN_PATH: dict[str, tuple[str, Any]] = {
    "board": ("The short name of a board, as `GET /boards` tells it.", "demo"),
    "number": ("The number of a slot (1 to 7), of a change or of a revision of the switch.", 3),
    "name": ("Of a person or machine, a group or a SOM type.", "carol"),
    "prefix": ("The public part of a token: what stands between its two underscores.", "k7m2x9qa"),
    "session": ("As the list of sessions tells it.", "2b9831831f653fb8"),
    "seq": ("The number of an entry.", 1204),
}
SPELT = {"som": "SOM", "soms": "SOMs", "vlans": "VLANs", "yaml": "YAML", "usb": "USB"}


def complete(schema: Schema) -> None:
    """Add to the description what types do not say. Raises KeyError for an operation without a row."""
    rows = tomllib.loads((DESCRIBED / "operations.toml").read_text())
    examples = json.loads((DESCRIBED / "examples.json").read_text())
    problems = json.loads((DESCRIBED / "problems.json").read_text())
    for path in schema["paths"].values():
        for method, operation in path.items():
            row = rows[operation["operationId"]]
            operation["summary"] = in_words(operation["operationId"])
            operation["description"] = "\n\n".join([flowing(operation["description"]), *who_may(row)])
            for parameter in operation["parameters"]:
                explain(parameter)
            for status, answer in operation["responses"].items():
                if int(status) in REFUSED:
                    refuse(answer, int(status), codes_of(row, int(status), method))
            give_examples(operation, examples.get(operation["operationId"], {}))
        tell_etags(path)
    schema["components"]["examples"] = {code: {"value": {"code": code, **said}} for code, said in problems.items()}


def explain(parameter: Schema) -> None:
    """Say what stands in an address, and give one example of each parameter that has some."""
    if "examples" in parameter:  # of its schema: a list, which a parameter does not take
        parameter["example"] = parameter.pop("examples")[0]
    if parameter["in"] == "path" and parameter["name"] in IN_PATH:
        parameter["description"], parameter["example"] = IN_PATH[parameter["name"]]


def in_words(name: str) -> str:
    """`put_som_type` as a heading: Put SOM type."""
    words = [SPELT.get(word, word) for word in name.split("_")]
    return " ".join([words[0].capitalize(), *words[1:]])


def flowing(text: str) -> str:
    """A docstring's paragraphs, each in one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def who_may(row: Schema) -> list[str]:
    """Whose right it takes, and what a token has to be for, in words."""
    if row["who"] == "anybody":
        return ["**Who:** anybody, without signing in."]
    tokens = row["tokens"]
    means = (
        " or ".join(filter(None, [", ".join(tokens[:-1]), *tokens[-1:]])) or "none; it takes a person who is signed in"
    )
    return [f"**Who:** {row['who']}. **Token for:** {means}."]


def codes_of(row: Schema, status: int, method: str) -> list[str]:
    """The codes by which an operation may refuse with that status."""
    own = list(row.get(str(status), ()))
    if status in ALWAYS:
        changes = method not in ("get", "head", "options")
        more = {400: ["bad-request"], 403: ["csrf"]}.get(status, []) if changes else []
        return sorted({*own, *ALWAYS[status], *more})
    return sorted(own) or [USUALLY[status]]


def refuse(answer: Schema, status: int, codes: list[str]) -> None:
    """Say what a refusal means and by which codes it comes, each with an example."""
    answer["description"] = f"{REFUSED[status]} Codes: {', '.join(f'`{code}`' for code in codes)}."
    for kind in answer.get("content", {}).values():
        kind["examples"] = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}


def tell_etags(path: Schema) -> None:
    """Where an edit takes If-Match, reading and editing answer with an ETag."""
    edits = [path[method] for method in ("put", "patch") if method in path]
    if any(parameter["name"] == "If-Match" for edit in edits for parameter in edit["parameters"]):
        for operation in [*edits, *([path["get"]] if "get" in path else [])]:
            for status, answer in operation["responses"].items():
                if int(status) < 300:
                    answer["headers"] = {"ETag": ETAG}


def give_examples(operation: Schema, example: Schema) -> None:
    """Put the recorded request and answer where the description shows them."""
    bodies = {"request": operation.get("requestBody", {})}
    bodies["answer"] = next((answer for status, answer in operation["responses"].items() if int(status) < 300), {})
    for name, body in bodies.items():
        for kind in body.get("content", {}).values():
            if name in example:
                kind["example"] = example[name]
