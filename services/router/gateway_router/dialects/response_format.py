"""The form of answer that a client asks for: `response_format`, checked. Pure."""

from typing import Any

from gateway_shared.errors import BadRequest

Json = dict[str, Any]


def check_response_format(body: Json) -> None:
    """Raises BadRequest for a form that a translation would take for none."""
    wanted = body.get("response_format")
    if wanted is None:
        return
    if not isinstance(wanted, dict):
        raise BadRequest("response_format has to be an object.", param="response_format")
    match wanted.get("type"):
        case "text" | "json_object":
            return
        case "json_schema":
            described = wanted.get("json_schema")
            if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
                raise BadRequest(
                    "A response_format of type json_schema has to have a schema.",
                    param="response_format.json_schema.schema",
                )
        case _:
            raise BadRequest(
                "The type of response_format has to be one of text, json_object and json_schema.",
                param="response_format.type",
            )
