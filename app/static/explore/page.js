// Puts GraphiQL on the page, with the tabs that operators need and variables that work. See docs/graphiql.md.
import { idsFor, variablesOf } from "./variables.js";

const TABS = ["Ids", "Event", "Run", "Live", "NotYet", "Guest", "Unmatched", "Audit", "Precheck", "Send"];
const FILES = "/graphql/static/explore";

const { createElement: h, useEffect, useRef } = React;
const $ = (id) => document.getElementById(id);

const text = async (path) => (await fetch(`${FILES}/${path}`)).text();

async function ask(query, operationName, variables) {
  const answer = await fetch(location.pathname, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token()}` },
    body: JSON.stringify({ query, operationName, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
  return data;
}

/** Says in the header who is signed in, or how to; returns the ids that this person can look at. */
async function signIn() {
  const people = session.people();
  const select = $("people").querySelector("select");
  select.replaceChildren(...people.map(({ token, name }) => new Option(name, token, false, token === session.token())));
  $("people").hidden = people.length < 2;
  $("sign-in").hidden = session.token() !== null;
  $("sign-out").hidden = session.demo || session.token() === null;
  if (session.token() === null) {
    $("status").textContent =
      "Not signed in. Ask whoever runs the service for a link: invites token --link --user YOUR-NAME";
    return {};
  }
  try {
    const ids = await idsFor(ask, await text("start.graphql"), session.link().run);
    $("status").textContent = ids.sentence;
    return ids;
  } catch (error) {
    $("sign-in").hidden = error.code !== "UNAUTHENTICATED";
    $("status").textContent =
      error.code === "UNAUTHENTICATED" ? "This link or token holds no longer. Ask for a new one." : error.message;
    return {};
  }
}

/** Inside GraphiQL: goes to the run of a deep link, and hands the precheck's token on to the tab that sends. */
function Wiring({ ids, found }) {
  const { tabs, activeTabIndex, changeTab, variableEditor } = GraphiQL.React.useEditorContext();
  const pending = useRef(null);
  const active = tabs[activeTabIndex];

  const open = (name, variables) => {
    const place = tabs.findIndex((tab) => tab.title === name);
    if (place < 0) return;
    pending.current = { name, variables };
    changeTab(place);
  };
  useEffect(() => {
    if (session.link().run && variableEditor) open("Run", { run: session.link().run });
  }, [variableEditor]);
  useEffect(() => {
    const follow = () => session.link().run && open("Run", { run: session.link().run });
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  });
  useEffect(() => {
    if (!variableEditor) return;
    const wanted = pending.current;
    if (wanted?.name === active.title) {
      pending.current = null;
      variableEditor.setValue(JSON.stringify(wanted.variables, null, 2));
    } else if (active.title === "Send" && found.token) {
      variableEditor.setValue(JSON.stringify({ precheckToken: found.token }, null, 2));
      found.token = null;
    }
  }, [active.id, variableEditor]);
  return null;
}

/** For a moment after a change of tabs GraphiQL still takes the operation for that of the tab before. */
function ofThisTab(params, options) {
  try {
    const documentAST = GraphiQL.GraphQL.parse(params.query);
    const operations = documentAST.definitions.filter((each) => each.kind === "OperationDefinition");
    const operationName = operations.length === 1 ? operations[0].name?.value : params.operationName;
    return [{ ...params, operationName }, { ...options, documentAST }];
  } catch {
    return [params, options]; // the service says better what is wrong with it
  }
}

function show(ids, operations) {
  const socket = new URL(location.pathname, location.href);
  socket.protocol = socket.protocol.replace("http", "ws");
  const fetcher = GraphiQL.createFetcher({
    url: location.pathname,
    subscriptionUrl: socket.href,
    enableIncrementalDelivery: false, // the service answers in one piece, and so does the fetcher then
  });
  const found = { token: null };

  async function signed(params, options) {
    const headers = { ...(session.token() && { Authorization: `Bearer ${session.token()}` }), ...options?.headers };
    const answer = await fetcher(...ofThisTab(params, { ...options, headers }));
    const data = answer?.data;
    found.token = data?.precheckSend?.token ?? data?.sendInvites?.precheck?.token ?? found.token;
    return answer;
  }

  const defaultTabs = operations.map(({ name, query }) => ({
    query,
    variables: JSON.stringify(variablesOf(name, ids), null, 2),
    headers: null,
  }));
  ReactDOM.createRoot($("graphiql")).render(
    h(
      GraphiQL,
      {
        fetcher: signed,
        defaultTabs,
        // Of this tab and this visit: tokens of prechecks and names of guests have no business in a browser for ever.
        storage: sessionStorage,
        plugins: [GraphiQLPluginExplorer.explorerPlugin()],
        defaultEditorToolsVisibility: "variables",
        inputValueDeprecation: true,
        shouldPersistHeaders: false,
      },
      h(GraphiQL.Logo, null, h(Wiring, { ids, found })),
    ),
  );
}

function begin(act) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("graphiql:")) sessionStorage.removeItem(key);
  act?.();
  location.reload();
}

$("people").addEventListener("change", async (event) => {
  session.use(event.target.value);
  await signIn();
});
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = event.target.elements.token.value.trim();
  begin(() => session.use(new URLSearchParams(given.split("#")[1] ?? "").get("token") ?? given));
});
$("sign-out").addEventListener("click", () => begin(session.end));
$("fresh").addEventListener("click", () => begin());

const [ids, operations] = await Promise.all([
  signIn(),
  Promise.all(TABS.map(async (name) => ({ name, query: await text(`operations/${name}.graphql`) }))),
]);
show(ids, operations);
