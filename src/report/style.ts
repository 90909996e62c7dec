/** Styles of every report: readable on paper, on a phone, and in the dark. Plots draw in `currentColor`. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5b6670; --line: #d8dde2; --paper: #fff; --tint: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5af; --line: #363d44; --paper: #14181b; --tint: #1c2125; } }
body { margin: 0 auto; max-width: 960px; padding: 24px 20px 64px; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 8px; }
.conclusion { font-size: 17px; margin: 0 0 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; padding: 12px 16px; background: var(--tint); border-radius: 6px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.4 ui-monospace, monospace; }
figure { margin: 16px 0; }
figure svg { max-width: 100%; height: auto; overflow: visible; }
figure img { max-width: 100%; }
.panels { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 8px; }
.panels img { width: 100%; display: block; }
.panels span { color: var(--soft); font-size: 13px; }
figcaption, caption { color: var(--soft); font-size: 13px; text-align: left; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
td.number { text-align: right; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
`;
