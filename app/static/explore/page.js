// Puts GraphiQL on the page, with the tabs that operators need and variables that work. See docs/graphiql.md.
import { $, ask, authorization, begin, keepHeader, text } from "../shared/service.js";
import { idsFor, variablesOf } from "./variables.js";

const TABS = ["Ids", "Event", "Run", "Live", "NotYet", "Guest", "Unmatched", "Audit", "Precheck", "Send"];

const { createElement: h, useEffect, useRef } = React;

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
    const headers = { ...authorization(), ...options?.headers };
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

$("fresh").addEventListener("click", () => begin());

const [ids, operations] = await Promise.all([
  keepHeader(async () => idsFor(ask, await text("explore/start.graphql"), session.link().run)),
  Promise.all(TABS.map(async (name) => ({ name, query: await text(`explore/operations/${name}.graphql`) }))),
]);
show(ids, operations);
