"""Who may call."""

from typing import Annotated

from fastapi import Depends

from rapport_common.auth import Operator, operator
from rapport_common.limits import WorkspaceLimit

READ, WRITE = "segments:read", "segments:write"
PERSONAL = "profiles:export"
"""The scope for taking away what is known of people, here as in profile."""
PREVIEWS = WorkspaceLimit("previews of segments", each=2, total=6)
"""Each scans everybody of its workspace."""

Reader = Annotated[Operator, Depends(operator(READ))]
Writer = Annotated[Operator, Depends(operator(WRITE))]
Previewer = Annotated[Operator, Depends(PREVIEWS.of(operator(READ)))]
