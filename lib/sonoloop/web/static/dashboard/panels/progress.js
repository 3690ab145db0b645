// @ts-check
// How far the labelling is.

import { at, counted, h, nothing, percent, say, show } from "../../dom.js";
import { barChart } from "../chart.js";

/** @param {any} part `labelling.progress` and `server` of the snapshot. */
export function showProgress({ progress, server }) {
  const { total, labelled, begun, wanted } = progress;
  say(at("labelled"), String(labelled));
  say(at("total"), `of ${counted(total, "image")} labelled`);
  at("pool").max = Math.max(1, total);
  at("pool").value = labelled;
  say(at("pool-share"), total ? percent(labelled / total) : "");
  const told = [
    begun ? `${counted(begun, "image")} wait for another reader` : "",
    wanted ? `${counted(wanted, "answer")} to go` : total ? "nothing is left to label" : "",
    pace(progress),
  ];
  say(at("pace"), told.filter(Boolean).join(" · "));
  say(at("source"), sourceTold(server.source, total));
  showDays(progress.days);
}

/** @param {any} progress */
function pace({ answers_a_working_day: aDay, working_days_left: left }) {
  if (aDay === null || !left) return "";
  const days = Math.max(1, Math.ceil(left));
  return `about ${counted(days, "working day")} at ${Math.round(aDay)} a day`;
}

/**
 * @param {{state: string, problem: string | null}} source
 * @param {number} total
 */
function sourceTold(source, total) {
  if (source.problem) return source.problem;
  if (source.state === "scanning") return "Looking for studies";
  return total ? "" : "No images yet: put studies into the folder that is served, or connect a PACS.";
}

/** @param {{day: string, answers: number}[]} days */
function showDays(days) {
  if (!days.some((day) => day.answers)) {
    show(at("days"), nothing("No answers in the last two weeks."));
    return;
  }
  const bars = days.map(({ day, answers }) => ({
    label: String(Number(day.slice(8))),
    value: answers,
    told: `${day}: ${counted(answers, "answer")}`,
  }));
  const title = "Answers a day";
  show(at("days"), barChart({ key: "days", title, yLabel: "answers", bars, height: 118 }));
}

/**
 * Files that could not be read: asked for only when their number changes.
 * @param {number} count
 * @param {(path: string) => Promise<any>} fetched
 */
export async function showRefused(count, fetched) {
  at("refused").hidden = count === 0;
  const words = `${counted(count, "file")} could not be read`;
  if (count === 0 || at("refused-count").textContent === words) return;
  say(at("refused-count"), words);
  const refusals = await fetched("sonoloop/refusals");
  const items = refusals.map((/** @type {any} */ told) => h("li", {}, `${told.file}: ${told.reason}`));
  at("refusals").replaceChildren(...items);
}
