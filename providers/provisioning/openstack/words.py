"""What OpenStack's refusals mean for the user, in words; its services say in English what they did not like."""

from __future__ import annotations

_MEANING = {
    401: "Keystone does not take the credentials: they are wrong, expired or revoked",
    403: "this user may not do it in this project",
    404: "there is no such thing",
    409: "it is there already, or something still holds it, for instance a machine that is ending",
    413: "a quota is used up, or too much was asked at once",
}
_LONGEST = 300


def explained(call: str, status: int, message: str) -> str:
    """A sentence of a refused call.

    >>> explained("POST /auth/tokens", 401, "")
    'POST /auth/tokens was refused: Keystone does not take the credentials: they are wrong, expired or revoked'
    """
    told = " ".join(message.split()).rstrip(".")
    if len(told) > _LONGEST:
        told = told[: _LONGEST - 1] + "…"
    meaning = "a quota is used up" if status == 403 and "quota" in told.lower() else _MEANING.get(status)
    if meaning is None:
        return f"{call} was refused: {told or f'status {status}'}"
    return f"{call} was refused: {meaning}" + (f" ({told})" if told else "")
