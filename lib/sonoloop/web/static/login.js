// @ts-check
// Asks for name and password, and goes back to the page that was asked for: one of this site alone.

import { at, h, say, show, whoAmI } from "./dom.js";

/**
 * @param {string | null} asked What the address of this page says.
 * @returns {string} Where to go on: a page of this site, be the address what it may.
 */
function nextPage(asked) {
  const home = new URL("./", location.href);
  let next = home;
  try {
    next = new URL(asked ?? "", home);
  } catch {
    // no address at all
  }
  const isOurs = next.origin === location.origin && next.pathname !== location.pathname;
  return isOurs ? next.pathname + next.search + (next.hash || location.hash) : home.pathname;
}

const asked = new URLSearchParams(location.search);
const next = nextPage(asked.get("next"));

/** Goes on to the page that was asked for, or, opened beside the viewer, back to its tab. */
function goOn() {
  if (!asked.has("beside")) return location.replace(next);
  at("form").hidden = true;
  say(at("problem"), "");
  say(at("title"), "You are logged in. Go back to the viewer: this tab can be closed.");
  window.close(); // browsers close only what a script has opened
}

/** @param {SubmitEvent} event */
async function logIn(event) {
  event.preventDefault();
  at("enter").disabled = true;
  say(at("problem"), "");
  try {
    const body = JSON.stringify({ username: at("username").value, password: at("password").value });
    const headers = { "content-type": "application/json" };
    const answer = await fetch("auth/login", { method: "POST", headers, body });
    if (answer.ok) return goOn();
    const { detail } = await answer.json();
    refuse(`${detail[0].toUpperCase()}${detail.slice(1)}.`);
  } catch {
    refuse("The server does not answer. Try again.");
  }
}

/** @param {string} sentence */
function refuse(sentence) {
  say(at("problem"), sentence);
  at("enter").disabled = false;
  at("password").select();
}

at("form").addEventListener("submit", logIn);
const me = await whoAmI();
const on = h("a", { href: next }, "Go on");
if (!me.accounts) show(at("problem"), "This server has no accounts: nobody needs to log in. ", on);
else if (me.name) show(at("problem"), `You are logged in as ${me.name}. `, on);
