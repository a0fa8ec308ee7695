"""The kinds of parameters that the operator routes share, and who may call them."""

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import StringConstraints

from rapport_common.auth import Operator, operator

NO_NUL = r"^[^\x00]*$"  # Postgres has no way to store one

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_NUL)
]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
MessageId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
SourceId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
Writer = Annotated[Operator, Depends(operator("sources:write"))]
Reader = Annotated[Operator, Depends(operator("events:read"))]
Ops = Annotated[Operator, Depends(operator("ops"))]
