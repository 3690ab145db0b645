// @ts-check
// The viewer that loaded us: its services, its commands, and the very instances of its drawing libraries.

/**
 * OHIF's managers, as it hands them to `preRegistration`. They have no types outside OHIF's own sources.
 * @typedef {{ servicesManager: any, commandsManager: any, extensionManager: any }} Managers
 */

const COMMON = "@ohif/extension-cornerstone.utilityModule.common";

/**
 * First major version of the drawing library that keeps masks of pictures without a frame of reference apart; OHIF 3.13
 * is the first that brings it. Earlier ones show and write the mask of one picture on the next of the same size
 * (https://github.com/cornerstonejs/cornerstone3D/issues/1639).
 */
const SAFE_CORNERSTONE = 5;

/**
 * Drawing contexts that are made for every study. The library makes seven, for grids of many volumes; browsers allow
 * sixteen in all, and without a graphics card each takes a while.
 */
const CONTEXTS = 2;

export class Host {
  /** @param {Managers} managers */
  constructor(managers) {
    this.managers = managers;
  }

  /** @returns {any} OHIF's services by name. */
  get services() {
    return this.managers.servicesManager.services;
  }

  /** @returns {{ cornerstone: any, cornerstoneTools: any }} */
  get libraries() {
    return this.managers.extensionManager.getModuleEntry(COMMON).exports.getCornerstoneLibraries();
  }

  /**
   * @param {string} command
   * @param {Record<string, unknown>} [options]
   * @returns {any}
   */
  run(command, options = {}) {
    return this.managers.commandsManager.run(command, options);
  }

  /** To be called before anything is drawn. */
  saveContexts() {
    const { rendering } = this.libraries.cornerstone.getConfiguration();
    rendering.webGlContextCount = Math.min(rendering.webGlContextCount, CONTEXTS);
  }

  /** @returns {string | null} Why this viewer must not be used; null when it may. */
  get problem() {
    const told = globalThis.window?.cornerstone?.version ?? this.#version();
    if (isSafe(told)) return null;
    return `This OHIF is too old for ultrasound masks: Sonoloop needs OHIF 3.13 or newer (this one draws with cornerstone ${told ?? "of an unknown version"}).`;
  }

  /** @returns {string | undefined} */
  #version() {
    const entry = this.managers.extensionManager.getModuleEntry(COMMON);
    return entry?.exports.getCornerstoneLibraries().cornerstone.version;
  }
}

/**
 * @param {string | undefined} version Of the drawing library.
 * @returns {boolean}
 */
export function isSafe(version) {
  return Number.parseInt(version ?? "0", 10) >= SAFE_CORNERSTONE;
}
