"""`Refused`: why a caller gets no answer, with what HTTP says of it.

Raised wherever a request can't be obeyed, and told once, at the door, in the words of the interface that was asked. Its
message is for the caller: it holds neither keys nor anything of the server's inside.
"""

from __future__ import annotations

from gestura.errors import GesturaError

__all__ = ["Refused"]


class Refused(GesturaError):
    """The request is not obeyed.

    Args:
        message: why not, and what would be right.
        status: of HTTP.
        path: where in the body it is wrong, such as `messages[2].role`.
        code: a word for programs.
        retry_after: seconds after which the same request may be obeyed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        path: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.path = path
        self.code = code
        self.retry_after = retry_after
