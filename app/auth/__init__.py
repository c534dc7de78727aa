"""Who is asking: JSON Web Tokens (RFC 7519), verified with this service's own secret or with the keys of a sign-in.

What a token's subject may do is not in the token: the workspaces decide (``services.access``).
"""

from app.auth.identity import Identify, Identity
from app.auth.issuing import issue_token
from app.auth.verifying import MAX_HEADER, verifier_for

__all__ = ["MAX_HEADER", "Identify", "Identity", "issue_token", "verifier_for"]
