"""Who may call what: the scopes of the operator API."""

from typing import Annotated

from fastapi import Depends

from rapport_common.auth import Operator, operator

Writer = Annotated[Operator, Depends(operator("feedback:write"))]
Reader = Annotated[Operator, Depends(operator("feedback:read"))]
