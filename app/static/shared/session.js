// Who is signed in. Tokens are in this tab's session storage, or in the page where a demo put them. A link brings one in
// its fragment, which no browser sends to a server; it is taken out of the address before anything else happens.
"use strict";

const session = (() => {
  const STORED = "invites.token";

  /** Takes the token out of the address, and gives what else it names. */
  function fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (given.has("token")) {
      sessionStorage.setItem(STORED, given.get("token"));
      given.delete("token");
      const rest = String(given);
      history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
    }
    return Object.fromEntries(given);
  }

  /** Whom a token speaks for, by its own word: enough for a label. The service believes the signature alone. */
  function person(token) {
    try {
      const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      const bytes = Uint8Array.from(atob(claims), (each) => each.charCodeAt(0));
      const { sub, name } = JSON.parse(new TextDecoder().decode(bytes));
      return name || sub || "Somebody";
    } catch {
      return "Somebody";
    }
  }

  const carried = document.querySelector("meta[name=tokens]").content.split(" ").filter(Boolean);
  let address = fromAddress();

  addEventListener("hashchange", () => {
    const before = sessionStorage.getItem(STORED);
    address = fromAddress();
    if (sessionStorage.getItem(STORED) !== before) location.reload();
  });

  return {
    /** The token that is used, or null. */
    token: () => sessionStorage.getItem(STORED) ?? carried[0] ?? null,
    /** All tokens that there are to choose from, as {token, name}. */
    people: () =>
      [...new Set([...carried, session.token()])].filter(Boolean).map((token) => ({ token, name: person(token) })),
    /** True where the page itself carries tokens, so that nobody needs to sign in or out. */
    demo: carried.length > 0,
    /** What the address names, by name: {run}, {event}, … */
    link: () => address,
    use: (token) => sessionStorage.setItem(STORED, token),
    end: () => sessionStorage.removeItem(STORED),
  };
})();
