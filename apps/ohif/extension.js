// @ts-check
// Sonoloop's extension of OHIF: a panel to review breast ultrasound with an AI, and what it needs. OHIF loads this file as
// it is, by its address in the configuration; see mode.js for the mode.

import { registerPanel } from "./panel/panel.js";
import { begin, current } from "./session.js";
import { element } from "./viewer/element.js";

const ID = "@sonoloop/extension";
const PANEL = "sonoloop-panel";

/** @param {import("./viewer/host.js").Managers} managers */
function preRegistration(managers) {
  registerPanel(begin(managers).review);
}

function getPanelModule() {
  return [
    {
      name: "review",
      iconName: "tab-segmentation",
      iconLabel: "Review",
      label: "Breast ultrasound",
      component: () => element(PANEL, { style: { display: "block", height: "100%", overflowY: "auto" } }),
    },
  ];
}

/** Commands by which OHIF's hotkeys and toolbar buttons reach the review. */
function getCommandsModule() {
  const review = () => current().review;
  return {
    defaultContext: "DEFAULT",
    definitions: {
      sonoloopSubmit: { commandFn: () => review().submit() },
      sonoloopNext: { commandFn: () => review().next() },
      sonoloopAccept: { commandFn: () => review().accept() },
      sonoloopPredict: { commandFn: () => review().predict() },
      sonoloopExplain: { commandFn: () => review().toggleExplanation() },
    },
  };
}

export default { id: ID, preRegistration, getPanelModule, getCommandsModule };
