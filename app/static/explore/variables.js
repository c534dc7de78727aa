// What the variables of the tabs are: ids of the wedding, event and run that one most likely wants to look at.
import { PICTURE, sourceOf } from "../shared/gaps.js";

/** One entry for each gap of a template: filled by its name where that says with what, else with its example. */
function fill({ component, buttonIndex, name, position, kind, example }) {
  const gap = Object.fromEntries(
    Object.entries({ component, buttonIndex, name, position }).filter(([, value]) => value !== null),
  );
  const source = sourceOf({ name, kind });
  return { ...gap, source, value: { MEDIA_URL: PICTURE, TEXT: example ?? "…" }[source] };
}

/**
 * Of the newest run, or of the run that a link names; without a run of the last published event.
 * `ask(operation)` asks the service, `query` is start.graphql. Throws what `ask` throws.
 */
export async function idsFor(ask, query, linked) {
  const { me } = await ask({ query, operationName: "Start" });
  const newest = ({ workspace }) => workspace.sendRuns.nodes.find((run) => run.kind === "INVITE");
  const first = me.memberships.find(newest) ?? me.memberships[0];
  const wanted = linked ?? (first && newest(first)?.id);
  const run = wanted ? (await ask({ query, operationName: "Run", variables: { run: wanted } })).sendRun : null;

  const member = me.memberships.find(({ workspace }) => workspace.id === run?.event.workspace.id) ?? first;
  if (!member) return { sentence: "You are a member of no wedding yet." };
  const { role, workspace } = member;
  const published = workspace.events.filter((event) => event.status === "PUBLISHED");
  const event = run?.event.id ?? published.at(-1)?.id ?? workspace.events.at(-1)?.id;
  const template = run?.template ?? workspace.templates.find((each) => each.supported);
  const guest = (run?.read.nodes[0] ?? run?.any.nodes[0])?.recipientName;
  const missing = linked && !run ? " There is no such run, or you may not see it." : "";
  return {
    sentence: `${workspace.name} · ${role.replace("_", " ").toLowerCase()}${missing}`,
    workspace: workspace.id,
    event,
    run: linked ?? run?.id,
    guest,
    // The next to be invited to: a precheck of an event that was sent already finds everybody invited.
    next: published.find((each) => !each.sendRuns.nodes.length)?.id ?? event,
    template,
  };
}

/** The variables of one tab. What is not known says where to find it. */
export function variablesOf(name, ids) {
  const workspace = ids.workspace ?? "wsp_… see the tab Ids";
  const event = ids.event ?? "evt_… see the tab Ids";
  const run = ids.run ?? "run_… see the tab Ids";
  switch (name) {
    case "Event":
      return { event };
    case "Run":
    case "Live":
      return { run };
    case "NotYet":
      return { workspace, event };
    case "Guest":
      return { event, guest: ids.guest ?? "part of a name" };
    case "Unmatched":
    case "Audit":
      return { workspace };
    case "Precheck":
      return {
        input: {
          eventId: ids.next ?? event,
          templateName: ids.template?.name ?? "a template's name",
          templateLanguage: ids.template?.language ?? "en",
          parameters: (ids.template?.parameters ?? []).map(fill),
          audience: {},
        },
      };
    case "Send":
      return { precheckToken: "run the tab Precheck first" };
    default:
      return {};
  }
}
