"""The GraphQL documents of the demo: what a console would send."""

WORKSPACE = "mutation($i: CreateWorkspaceInput!) { createWorkspace(input: $i) { id name viewerRole } }"
MEMBER = "mutation($i: SetMemberInput!) { setMember(input: $i) { displayName role } }"
EVENT = "mutation($i: CreateEventInput!) { createEvent(input: $i) { id title } }"
PUBLISH = "mutation($i: UpdateEventInput!) { updateEvent(input: $i) { id title startsAt venue status } }"

IMPORT = """
mutation($i: ImportGuestsInput!) {
  importGuests(input: $i) {
    rowCount
    outcomes { outcome count }
    rows(first: 100, outcomes: [WARNING_MALFORMED_PHONE]) { nodes { row name phone message } }
  }
}
"""

REACHABLE = """
query($w: ID!) {
  workspace(id: $w) {
    guestUnits(first: 100, filter: {phoneStatus: VALID}) { nodes { id name people { name phone } } }
  }
}
"""
NOT_INVITED = "mutation($i: UpdateGuestUnitInput!) { updateGuestUnit(input: $i) { id name inviteable } }"
BLOCK = "mutation($i: AddDoNotMessageInput!) { addDoNotMessage(input: $i) { id active } }"
TEMPLATES = "mutation($i: SyncTemplatesInput!) { syncTemplates(input: $i) { name language status supported } }"

_PRECHECK = """
  token
  readyToSend
  candidateCount
  eligibleCount
  rejectedCount
  blockers { code message nextStep }
  warnings { code message }
  rejections { reason operatorText nextStep count }
  trace { units recipients withoutPhone sharedPhones }
  previews(first: 2) { recipientName text }
"""
PRECHECK = f"query($i: PrecheckSendInput!) {{ precheckSend(input: $i) {{ {_PRECHECK} }} }}"
OPEN = f"query($t: String!) {{ precheck(token: $t) {{ {_PRECHECK} }} }}"

SEND = """
mutation($t: String!) {
  sendInvites(input: {precheckToken: $t}) {
    __typename
    ... on SendInvitesSuccess { replayed run { id } }
    ... on SendRefusal { message nextStep }
  }
}
"""

_SUMMARY = "candidates eligible byState { state operatorText count } reachedAccepted reachedDelivered reachedRead"
_RUN = f"status statusReason nextStep currentRate summary {{ {_SUMMARY} }}"
RUN = f"query($r: ID!) {{ sendRun(id: $r) {{ {_RUN} }} }}"
LIVE = f"subscription($r: ID!) {{ sendRunProgress(id: $r) {{ {_RUN} }} }}"
REPORT = f"""
query($r: ID!, $e: ID!) {{
  sendRun(id: $r) {{
    status
    createdBy {{ displayName role }}
    summary {{
      {_SUMMARY}
      rejections {{ reason operatorText nextStep count }}
      failures {{ code title operatorText nextStep count }}
    }}
    audit(first: 10) {{ nodes {{ at action actorText text requestId }} }}
  }}
  event(id: $e) {{
    title
    summary {{ {_SUMMARY} }}
    coverage {{ households notTried blocked pending failed accepted sent delivered read }}
  }}
}}
"""
MESSAGES = """
query($e: ID!, $after: String) {
  event(id: $e) {
    messages(first: 100, after: $after) {
      nodes { id state }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
READ = "query($e: ID!) { event(id: $e) { messages(first: 10, states: [READ]) { nodes { id } } } }"
TIMELINE = """
query($m: ID!) {
  inviteMessage(id: $m) {
    recipientName
    phone
    state
    timeline { at receivedAt kind text state repeated late actor { displayName } }
  }
}
"""
