// @ts-check
// How the panel looks: OHIF's dark theme, within a shadow root so that neither styles the other.
// The colours after OHIF's own (--background, --muted, --primary, --highlight of its theme), each
// against what it stands on with the contrast of WCAG 2.2, 1.4.3 and 1.4.11.

const COLOURS = `
  --back: #050615;
  --card: #0b1030;
  --raised: #17224f;
  --line: #23306b;
  --edge: #5673b8;
  --text: #f2f5ff;
  --muted: #a3b6dc;
  --primary: #348cfd;
  --accent: #5acce6;
  --good: #6fd08c;
  --warm: #ff8f6b;
  --cool: #8ab4ff;
  --warn: #f3c969;
  --bad: #ff8a93;
`;

const FRAME = `
:host { display: block; position: relative; container-type: inline-size; min-width: 200px; color: var(--text); background: var(--back);
  font: 13px/1.45 Inter, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; ${COLOURS} }
:host, * { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
header { position: sticky; top: 0; z-index: 2; display: grid; grid-template-columns: minmax(0, 1fr); gap: 4px; padding: 8px 12px;
  background: var(--card); border-bottom: 1px solid var(--line); }
.title { display: flex; align-items: center; gap: 4px; }
.who { display: flex; align-items: center; gap: 8px; }
.who span { flex: none; }
.who input { min-height: 24px; padding: 1px 7px; }
h2 { flex: 1; min-width: 0; font-size: 14px; font-weight: 600; letter-spacing: 0.01em; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 12px; color: var(--muted); font-size: 12px; }
.facts b { font-weight: 500; color: var(--text); overflow-wrap: anywhere; }
.stage { font-size: 12px; color: var(--text); }
section { padding: 10px 12px 12px; border-bottom: 1px solid var(--line); }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; min-height: 24px; margin-bottom: 6px; }
h3 { flex: 1 0 auto; font-size: 12px; font-weight: 600; color: var(--accent); letter-spacing: 0.02em; }
.muted, .hint { color: var(--muted); font-size: 12px; overflow-wrap: anywhere; }
.hint { display: grid; gap: 2px; margin-top: 6px; color: var(--warn); }
.row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.row + .row, .muted + .row, .row + .muted { margin-top: 6px; }
footer { position: sticky; bottom: 0; z-index: 2; display: grid; gap: 8px; padding: 10px 12px;
  background: var(--card); border-top: 1px solid var(--line); }
.mains { display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }
.mains button { flex: 1; min-width: 0; }
`;

const NARROW = `
@container (max-width: 250px) {
  .wide-only, .tools kbd, .mains kbd { display: none; }
  h2 { flex: 0; width: 0; overflow: hidden; }
  .pill { margin-right: auto; }
  .tools { grid-template-columns: 1fr 1fr; }
  .tools button, .lesions .pick { gap: 4px; padding: 3px 5px; font-size: 12px; }
  .three label { font-size: 11px; letter-spacing: -0.02em; }
  .three label:has(:checked) { font-weight: 500; }
  .sizes { flex-wrap: wrap; }
  .row button { padding: 3px 6px; font-size: 12px; }
  .doubts { grid-template-columns: 1fr; gap: 0; }
}
`;

const CONTROLS = `
button, select, input[type="text"], textarea { min-height: 28px; padding: 3px 9px; border: 1px solid var(--edge); border-radius: 5px;
  background: var(--back); color: inherit; font: inherit; }
button { flex: none; white-space: nowrap; display: inline-flex; align-items: center; justify-content: center; gap: 6px; cursor: pointer; }
button:hover { border-color: var(--accent); background: var(--raised); }
button svg { width: 16px; height: 16px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.7;
  stroke-linecap: round; stroke-linejoin: round; }
button[aria-pressed="true"] { border-color: var(--accent); background: var(--raised); color: var(--accent); }
button[aria-disabled="true"] { border-color: var(--line); background: transparent; color: var(--muted); cursor: not-allowed; }
button.primary { border-color: var(--primary); background: var(--primary); color: var(--back); font-weight: 600; }
button.primary:hover { background: #5ea5ff; }
button.primary[aria-disabled="true"] { border-color: var(--line); background: var(--raised); color: var(--muted); }
button.plain { min-height: 24px; padding: 1px 6px; border-color: transparent; background: transparent; color: var(--muted); font-size: 12px; }
button.plain:hover { border-color: var(--edge); color: var(--text); }
button.icon { padding: 3px 6px; }
button.danger { border-color: var(--bad); color: var(--bad); }
button[aria-busy="true"]::after { content: ""; width: 11px; height: 11px; border: 2px solid currentColor; border-top-color: transparent;
  border-radius: 50%; animation: turn 0.8s linear infinite; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { button[aria-busy="true"]::after { animation: none; } }
kbd { min-width: 17px; padding: 0 4px; border: 1px solid currentColor; border-radius: 4px; font: 11px/15px ui-monospace, Menlo, Consolas, monospace;
  text-align: center; opacity: 0.9; }
select { flex: 1; min-width: 0; width: 100%; }
textarea { width: 100%; min-height: 64px; resize: vertical; }
input[type="range"] { flex: 1; min-width: 80px; accent-color: var(--accent); }
input[type="text"] { min-width: 0; width: 100%; }
.choice { display: grid; gap: 4px; border: 0; margin: 0; padding: 0; min-width: 0; }
.choice legend { padding: 0; margin-bottom: 3px; color: var(--muted); font-size: 12px; }
.three { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.five { grid-template-columns: repeat(5, minmax(0, 1fr)); }
.choice legend { grid-column: 1 / -1; }
.choice label { position: relative; display: grid; place-items: center; min-height: 28px; padding: 2px; border: 1px solid var(--edge);
  border-radius: 5px; background: var(--back); cursor: pointer; text-align: center; }
.choice label:hover { background: var(--raised); border-color: var(--accent); }
.choice input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer; }
.choice label:has(:checked) { background: var(--accent); border-color: var(--accent); color: var(--back); font-weight: 600; }
.choice label:has(:checked)[data-value="malignant"] { background: var(--warm); border-color: var(--warm); }
.choice label:has(:checked)[data-value="benign"] { background: var(--good); border-color: var(--good); }
.choice label:has(:checked)[data-value="normal"] { background: var(--cool); border-color: var(--cool); }
.choice label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
.choice label:has(:disabled) { cursor: not-allowed; }
.choice label:has(:disabled):not(:has(:checked)) { border-color: var(--line); color: var(--muted); }
.choice + .choice { margin-top: 8px; }
.choice + .muted { margin-top: 5px; }
`;

const PARTS = `
.pill { display: inline-flex; align-items: center; gap: 6px; padding: 1px 8px; border: 1px solid var(--line); border-radius: 99px;
  font-size: 12px; white-space: nowrap; }
.pill::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: var(--muted); }
.pill.good::before { background: var(--good); }
.pill.bad::before { background: var(--bad); }
.pill.wait::before { background: var(--warn); }
.pill.live::before { background: var(--accent); }
.banner { display: grid; gap: 6px; padding: 8px 12px; border-bottom: 1px solid var(--line); border-left: 3px solid var(--accent);
  background: var(--card); overflow-wrap: anywhere; }
footer > .banner { margin: -10px -12px 2px; }
header > .banner { margin: 4px -12px -8px; border-bottom: 0; }
.news { color: var(--warn); font-size: 12px; }
.news:empty { display: none; }
.banner.error { border-left-color: var(--bad); }
.banner.warn { border-left-color: var(--warn); }
.banner [data-part="message"]::first-letter { text-transform: uppercase; }
.banner .row { justify-content: space-between; flex-wrap: nowrap; align-items: start; }
.bars { display: grid; gap: 5px; margin-top: 4px; }
.bars li > * { overflow-wrap: break-word; min-width: 0; }
.bars li { display: grid; grid-template-columns: minmax(0, 78px) minmax(24px, 1fr) 40px; gap: 8px; align-items: center; }
.bars .track { height: 8px; border-radius: 4px; background: var(--raised); overflow: hidden; }
.bars .fill { display: block; height: 100%; border-radius: 4px; background: var(--cool); transform-origin: left; }
.bars .benign .fill { background: var(--good); }
.bars .malignant .fill { background: var(--warm); }
.bars .most { font-weight: 600; }
.bars .value { text-align: right; font-variant-numeric: tabular-nums; }
.doubts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 10px; margin: 8px 0; font-size: 12px; }
.doubts dt { color: var(--muted); }
.doubts .high { color: var(--warn); font-weight: 600; }
.lesions { display: grid; gap: 4px; margin-bottom: 6px; }
.lesions li { display: flex; gap: 4px; min-width: 0; }
.lesions .pick { flex: 1; min-width: 0; justify-content: start; text-align: left; }
.lesions .swatch { width: 11px; height: 11px; border-radius: 3px; background: var(--accent); flex: none; }
.lesions .area { flex: 1; text-align: right; font-variant-numeric: tabular-nums; color: var(--text); font-weight: 400; }
.tools { display: grid; grid-template-columns: repeat(auto-fill, minmax(86px, 1fr)); gap: 6px; }
.tools button { justify-content: start; padding: 3px 7px; }
.tools kbd { margin-left: auto; }
.sizes { display: flex; gap: 8px; align-items: center; margin-top: 8px; }
.presets { display: flex; gap: 4px; }
[data-part="threshold"] { margin-top: 6px; }
[data-part="threshold"] .sizes { margin-top: 3px; }
.sizes > span { color: var(--muted); font-size: 12px; }
.sizes output { min-width: 40px; white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.sizes button { width: 28px; padding: 3px; }
.sizes input { min-width: 30px; }
.dot { border-radius: 50%; background: currentColor; }
.frames { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 6px; }
.frames button { min-width: 34px; padding: 2px 6px; font-variant-numeric: tabular-nums; }
.frames button[aria-current="true"] { border-color: var(--accent); color: var(--accent); }
.frames svg { width: 11px; height: 11px; }
.progress { display: grid; gap: 3px; font-size: 12px; }
.progress .row { flex-wrap: nowrap; justify-content: space-between; }
progress { display: block; width: 100%; height: 6px; border: 0; border-radius: 3px; background: var(--raised); overflow: hidden; }
progress::-webkit-progress-bar { background: var(--raised); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
.task { display: grid; gap: 5px; padding: 8px 0; }
.task + .task { border-top: 1px solid var(--line); }
.task .head { margin: 0; }
.task h4 { flex: 1; margin: 0; font-size: 13px; font-weight: 500; }
.curve { display: block; width: 100%; aspect-ratio: 200 / 56; }
.curve polyline { fill: none; stroke: var(--accent); stroke-width: 1.4; stroke-linejoin: round; }
.curve circle { fill: var(--accent); }
.curve line { stroke: var(--line); vector-effect: non-scaling-stroke; }
figure { margin: 0; }
figcaption { display: flex; justify-content: space-between; gap: 8px; color: var(--muted); font-size: 12px; }
summary { cursor: pointer; color: var(--accent); font-size: 12px; font-weight: 600; letter-spacing: 0.02em; }
`;

const DIALOGS = `
dialog { width: min(440px, calc(100vw - 32px)); max-height: calc(100vh - 32px); overflow: auto; padding: 18px 20px; border: 1px solid var(--edge);
  border-radius: 10px; background: var(--card); color: var(--text); font: inherit; }
dialog::backdrop { background: rgb(0 0 0 / 65%); }
dialog h3:focus-visible { outline: none; }
dialog h3 { margin-bottom: 8px; font-size: 16px; color: var(--text); }
dialog p { margin-bottom: 10px; overflow-wrap: anywhere; }
dialog .answers { display: flex; flex-wrap: wrap; justify-content: end; gap: 8px; margin-top: 16px; }
dialog .answers button { min-height: 32px; padding: 4px 14px; }
dialog .chips { gap: 5px; }
dialog .chips button { min-height: 24px; padding: 1px 8px; border-radius: 99px; font-size: 12px; }
dialog .two { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; margin: 12px 0; }
dialog .side { display: grid; gap: 3px; align-content: start; padding: 10px; border: 1px solid var(--line); border-radius: 7px; overflow-wrap: anywhere; }
dialog .side b { font-weight: 600; color: var(--accent); }
dialog .stack { display: grid; gap: 10px; }
dialog .pick label { display: grid; grid-template-columns: 16px 1fr; gap: 8px; padding: 5px 0; cursor: pointer; }
dialog .pick input { margin: 3px 0 0; accent-color: var(--accent); }
dialog .pick { border: 0; margin: 0; padding: 0; }
dialog .pick legend { padding: 0; }
dialog .keys + p { margin-top: 12px; }
dialog .keys { display: grid; grid-template-columns: max-content 1fr; gap: 7px 14px; align-items: center; }
dialog .problem { color: var(--bad); margin: 0; }
@media (max-width: 420px) { dialog .two { grid-template-columns: 1fr; } }
`;

const LOW = `
@media (max-height: 800px) {
  header { padding: 6px 12px; gap: 2px; }
  header .low-hidden { display: none; }
  section { padding: 6px 12px 8px; }
  .head { margin-bottom: 3px; }
  .bars { gap: 2px; margin-top: 2px; }
  .doubts { margin: 5px 0; }
  .tools { grid-template-columns: repeat(6, 1fr); }
  .tools button { justify-content: center; padding: 3px; }
  .tools kbd { display: none; }
  .tools span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .sizes { margin-top: 5px; }
  .choice, .choice + .choice { margin-top: 3px; }
  .choice legend { margin-bottom: 1px; }
  .choice label { min-height: 25px; }
  footer { gap: 5px; padding: 7px 12px; }
}
`;

/** @returns {CSSStyleSheet} One for all panels. */
export function sheet() {
  const made = new CSSStyleSheet();
  made.replaceSync(FRAME + CONTROLS + PARTS + DIALOGS + NARROW + LOW);
  return made;
}
