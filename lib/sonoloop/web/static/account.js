// @ts-check
// Who is logged in, in the header of every page, and the way out. Nothing where there are no accounts.

import { h, send, toLogin, whoAmI } from "./dom.js";

/** @param {import("./dom.js").Me} me */
function shown({ name, role }) {
  const out = h("button", { type: "button", "data-key": "log-out" }, "Log out");
  out.addEventListener("click", async () => {
    await send("auth/logout", "POST");
    toLogin();
  });
  return h("p", { class: "account" }, h("b", {}, name), ` ${role} `, out);
}

const me = await whoAmI();
if (me.name) document.querySelector("header")?.append(shown(me));
