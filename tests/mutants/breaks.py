"""The deliberate breaks: what each takes out of the code, and the tests that must go red."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    before: str
    after: str
    tests: str
    """What must go red: arguments of pytest."""


MUTANTS = (
    Mutant(
        "drop the fence: any worker's outcome moves a claimed message",
        "app/db/messages.py",
        "return self.state is MessageState.SENDING and self.claim_id == claim_id",
        "return self.state is MessageState.SENDING or self.state is MessageState.UNCONFIRMED",
        "tests/sending/test_dispatch.py -k late",
    ),
    Mutant(
        "the fence forgets whose claim it is",
        "app/db/messages.py",
        "return self.state is MessageState.SENDING and self.claim_id == claim_id",
        "return self.state is MessageState.SENDING",
        "tests/races/test_leases.py",
    ),
    Mutant(
        "drop the advisory lock",
        "app/db/engine.py",
        "        if not self.sqlite:\n            function",
        "        if False:\n            function",
        "tests/races/test_blocks.py -k postgres",
    ),
    Mutant(
        "take the advisory lock after the messages are picked",
        "app/services/claims.py",
        "    await uow.lock_number(number_id)\n    await reached(CLAIM_LOCKED)\n",
        "    await reached(CLAIM_LOCKED)\n",
        "tests/races/test_blocks.py -k postgres",
    ),
    Mutant(
        "swap two ranks: a failure outranks a delivery",
        "app/domain/lifecycle.py",
        "        if self.delivered_at:\n            return MessageState.DELIVERED\n        if self.failure:\n            return MessageState.FAILED\n",
        "        if self.failure:\n            return MessageState.FAILED\n        if self.delivered_at:\n            return MessageState.DELIVERED\n",
        "tests/domain/test_lifecycle.py",
    ),
    Mutant(
        "a later time overwrites an earlier one",
        "app/domain/lifecycle.py",
        "    return min(one, other)\n\n\ndef _first_failure",
        "    return other\n\n\ndef _first_failure",
        "tests/domain/test_lifecycle.py",
    ),
    Mutant(
        "keep a webhook before its signature is checked",
        "app/http/webhook.py",
        "    if not signature_matches(",
        "    await keep()(raw)\n    if not signature_matches(",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "take the first of two signatures",
        "app/http/webhook.py",
        'return sent[0].decode("latin-1") if len(sent) == 1 else None',
        'return sent[0].decode("latin-1") if sent else None',
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "end the comparison at the first difference",
        "app/whatsapp/webhook.py",
        "matches |= hmac.compare_digest(expected, given) and bool(secret)",
        "matches |= expected == given and bool(secret)",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "the same for the verify token",
        "app/whatsapp/webhook.py",
        'hmac.compare_digest(given.encode("utf-8", "replace"), verify_token.encode())',
        "given == verify_token",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "read a body that is too large to its end",
        "app/http/webhook.py",
        "    Answer.TOO_LARGE: (_CLOSE,),\n",
        "",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "wait for a body for ever",
        "app/http/webhook.py",
        "async with asyncio.timeout(seconds):",
        "async with asyncio.timeout(None):",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "hand the values of a made-up cursor on to the database",
        "app/db/keyset.py",
        "case sa.String() if isinstance(part, str) and storable(part) == part:",
        "case sa.String():",
        "tests/fuzz -k 'postgres and cursors'",
    ),
    Mutant(
        "take the type of a socket's message on trust",
        "app/schema/sockets.py",
        'if not isinstance(message, dict) or not isinstance(message.get("type"), str):',
        "if not isinstance(message, dict):",
        "tests/schema/test_subscriptions.py",
    ),
    Mutant(
        "answer a group of webhooks before its commit",
        "app/services/intake.py",
        "        try:\n            await self._webhooks.ingest([each.body for each in group])\n",
        "        try:\n            [each.kept.set_result(None) for each in group]\n"
        "            await self._webhooks.ingest([each.body for each in group])\n",
        "tests/services/test_intake.py",
    ),
    Mutant(
        "keep each webhook by itself",
        "app/main.py",
        "lambda: running.use().intake.put,",
        "lambda: lambda body: running.use().webhooks.ingest([body]),",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "answer 200 before the commit",
        "app/http/webhook.py",
        "        await keep()(raw)",
        "        task = asyncio.ensure_future(keep()(raw))\n        task.add_done_callback(lambda done: done.exception())",
        "tests/http/test_webhook.py",
    ),
    Mutant(
        "leave the unmatched facts of a message id that is bound",
        "app/services/outcomes.py",
        "for message_id, progress in (await facts.attach(self.uow, bindings)).items():",
        "for message_id, progress in ():",
        "tests/sending/test_webhooks.py -k taken_in",
    ),
    Mutant(
        "the same, found by a made-up story",
        "app/services/outcomes.py",
        "for message_id, progress in (await facts.attach(self.uow, bindings)).items():",
        "for message_id, progress in ():",
        "tests/sending/test_stateful_ingest.py",
    ),
    Mutant(
        "the same in the webhook",
        "app/services/statuses.py",
        "for message_id, progress in (await facts.attach(self.uow, bindings)).items():",
        "for message_id, progress in ():",
        "tests/races/test_facts.py",
    ),
    Mutant(
        "send again after a JSON 500 that proves nothing",
        "app/whatsapp/codes.py",
        "frozenset({1, 131000})",
        "frozenset()",
        "tests/whatsapp/test_client.py tests/whatsapp/test_codes.py",
    ),
    Mutant(
        "send again after an unknown outcome",
        "app/services/outcomes.py",
        "self._put(standing.dispatched(Dispatch.LOSE, self.now, claim_id=None, lease_until=None))",
        "self._put(self._back_to_queue(standing, None))",
        "tests/sending/test_dispatch.py -k 'outcome or state'",
    ),
    Mutant(
        "send again when a lease runs out",
        "app/services/sweeping.py",
        "standing.dispatched(Dispatch.LOSE, now, claim_id=None, lease_until=None)",
        "standing.dispatched(Dispatch.REQUEUE, now, claim_id=None, lease_until=None)",
        "tests/sending/test_dispatch.py -k lease",
    ),
    Mutant(
        "two sends of one event do not wait for each other",
        "app/services/sends.py",
        "access.find(uow, actor, EventRow, ids.EVENT, pin.request.event_id, lock=True)",
        "access.find(uow, actor, EventRow, ids.EVENT, pin.request.event_id)",
        "tests/races/test_sends.py -k postgres",
    ),
    Mutant(
        "the digest forgets the last live message",
        "app/services/resolution.py",
        "candidate.last_live_id,\n",
        "None,\n",
        "tests/sending/test_sends.py -k second_invite",
    ),
    Mutant(
        "an expired token still sends",
        "app/services/sends.py",
        "return StaleReason.EXPIRED if now >= pin.expires_at else None",
        "return None",
        "tests/sending/test_sends.py -k expired",
    ),
    Mutant(
        "a claim does not look at the Do-Not-Message list",
        "app/services/claims.py",
        "going += [each for each in due if each.standing.phone not in blocked]",
        "going += due",
        "tests/sending/test_dispatch.py -k turns_the_blocked_away",
    ),
    Mutant(
        "asking for a second invite goes past the Do-Not-Message list",
        "app/domain/eligibility.py",
        "(RejectionReason.DO_NOT_MESSAGE, lambda s: s.blocked),",
        "(RejectionReason.DO_NOT_MESSAGE, lambda s: s.blocked and not s.repeat_accepted),",
        "tests/domain/test_eligibility.py",
    ),
    Mutant(
        "a claim does not share its runs' rows",
        "app/db/queue.py",
        ".with_for_update(read=True, of=R)",
        "",
        "tests/races/test_controls.py -k postgres",
    ),
    Mutant(
        "pause, cancel and resume do not take the run's row",
        "app/services/runs.py",
        "run = await access.find(uow, actor, SendRunRow, ids.SEND_RUN, run_id, lock=True)",
        "run = await access.find(uow, actor, SendRunRow, ids.SEND_RUN, run_id)",
        "tests/races/test_controls.py -k postgres",
    ),
    Mutant(
        "a requeueing outcome does not share its run's row",
        "app/services/outcomes.py",
        "locked = query.with_for_update(read=not alone, key_share=alone, of=SendRunRow)",
        "locked = query",
        "tests/races/test_controls.py -k postgres",
    ),
    Mutant(
        "counters forget the parts of FAILED and REJECTED",
        "app/db/counters.py",
        "        if parts:\n            await _ADD_PARTS(uow, parts)",
        "        return",
        "tests/sending/test_sends.py -k every_candidate",
    ),
    Mutant(
        "messages are locked after counters",
        "app/services/statuses.py",
        "        self.standings = await messages.lock(self.uow, set(owner.values()) | waiting)\n",
        "        self.standings = await messages.lock(self.uow, waiting)\n"
        "        turn_away(self.changes, self.standings, waiting, self.now)\n"
        "        await self.changes.save(self.uow, self.now)\n"
        "        self.changes = Changes()\n"
        "        self.standings |= await messages.lock(self.uow, set(owner.values()) | waiting)\n",
        "tests/races/test_batches.py",
    ),
    Mutant(
        "strangers are let in",
        "app/services/access.py",
        "MemberRow.workspace_id == workspace_id, MemberRow.subject == actor.subject, MemberRow.active",
        "MemberRow.workspace_id == workspace_id",
        "tests/rights/test_tenancy.py",
    ),
    Mutant(
        "what another family has is found by its id",
        "app/services/access.py",
        'columns["id"] == row_id, columns["workspace_id"].in_(visible_workspaces(actor))',
        'columns["id"] == row_id',
        "tests/rights/test_tenancy.py",
    ),
    Mutant(
        "what another family has is shown by its id",
        "app/services/reading/visibility.py",
        "return lambda actor: column.in_(visible(actor))",
        "return lambda actor: column.is_not(None)",
        "tests/rights/test_tenancy.py",
    ),
    Mutant(
        "what Meta blocked is shown to every family of the number",
        "app/services/reading/visibility.py",
        ".where(guest.workspace_id.in_(workspaces))",
        ".where(guest.workspace_id.is_not(None))",
        "tests/rights/test_tenancy.py",
    ),
    Mutant(
        "anybody who may edit an event changes who may see it",
        "app/services/events.py",
        " and not access.allows(Permission.EVENT_VISIBILITY)",
        " and not access",
        "tests/rights/test_rights.py",
    ),
    Mutant(
        "a parent admin manages owners",
        "app/services/workspaces.py",
        "if not touched <= MANAGES[access.member.role]:",
        "if not MANAGES[access.member.role]:",
        "tests/rights/test_rights.py",
    ),
    Mutant(
        "the audit trail can be replaced on SQLite",
        "app/db/migrations/versions/0003_audit_replace.py",
        "WHERE id = NEW.id OR rowid = NEW.rowid",
        "WHERE id = NEW.id AND rowid = NEW.rowid",
        "tests/db/test_migrations.py -k append",
    ),
    Mutant(
        "the audit trail can be rewritten",
        "app/db/migrations/versions/0001_first.py",
        "    _append_only_audit()\n\n\ndef",
        "    return\n\n\ndef",
        "tests/db/test_migrations.py -k append",
    ),
    Mutant(
        "the token of a link stays in the address",
        "app/static/shared/session.js",
        "      history.replaceState(",
        "      String(",
        "tests/browser/test_graphiql.py -k leaves_no_token",
    ),
    Mutant(
        "show the numbers of a send once, and not live",
        "app/static/console/socket.js",
        "        next(dataOf(answer));",
        "        dataOf(answer);",
        "tests/browser/test_console.py -k two_people",
    ),
    Mutant(
        "take GraphiQL's files for good whatever is in them",
        "app/graphiql_files.py",
        "return base64.b64encode(hashlib.new(algorithm, content).digest()).decode() == digest",
        "return bool(algorithm and digest)",
        "tests/test_graphiql_files.py",
    ),
)
