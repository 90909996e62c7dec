import { STYLE } from './style.js';

/** A cell of a table; numbers are set to the right as they are written. */
export type Cell = string | number;

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'table'; readonly header: readonly string[]; readonly rows: readonly (readonly Cell[])[]; readonly caption?: string }
  /** Markup of `drawPlot`. */
  | { readonly kind: 'plot'; readonly markup: string; readonly caption: string }
  | { readonly kind: 'picture'; readonly png: Uint8Array; readonly caption: string }
  /** Side by side, to be compared. */
  | { readonly kind: 'panels'; readonly panels: readonly Panel[]; readonly caption: string };

export interface Panel {
  readonly title: string;
  readonly jpeg: Uint8Array;
}

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export interface Report {
  readonly title: string;
  /** One sentence: what was found. */
  readonly conclusion: string;
  /** The command that prints the same figures again. */
  readonly command: string;
  /** What every figure depends on: machine, data, versions. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly Section[];
}

/** One HTML page that can be read offline: styles, plots and pictures are inside, nothing is loaded and nothing runs. */
export function renderReport({ title, conclusion, command, facts, sections }: Report): string {
  const rows = facts.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`).join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p class="conclusion">${escapeHtml(conclusion)}</p></header>
<dl>${rows}<dt>command</dt><dd><code>${escapeHtml(command)}</code></dd></dl>
${sections.map(renderSection).join('\n')}
</body>
</html>
`;
}

function renderSection({ title, blocks }: Section): string {
  return `<section><h2>${escapeHtml(title)}</h2>${blocks.map(renderBlock).join('\n')}</section>`;
}

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'text':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'table':
      return renderTable(block);
    case 'plot':
      return `<figure>${block.markup}<figcaption>${escapeHtml(block.caption)}</figcaption></figure>`;
    case 'panels':
      return `<figure><div class="panels">${block.panels.map(renderPanel).join('')}</div><figcaption>${escapeHtml(block.caption)}</figcaption></figure>`;
    case 'picture':
      return `<figure><img alt="${escapeHtml(block.caption)}" src="data:image/png;base64,${Buffer.from(block.png).toString('base64')}"><figcaption>${escapeHtml(block.caption)}</figcaption></figure>`;
  }
}

function renderPanel({ title, jpeg }: Panel): string {
  const name = escapeHtml(title);
  return `<div><img alt="${name}" src="data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}"><span>${name}</span></div>`;
}

function renderTable({ header, rows, caption }: Extract<Block, { kind: 'table' }>): string {
  const head = header.map((cell) => `<th>${escapeHtml(cell)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(renderCell).join('')}</tr>`).join('\n');
  return `<div class="table"><table>${caption === undefined ? '' : `<caption>${escapeHtml(caption)}</caption>`}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function renderCell(cell: Cell): string {
  const text = String(cell);
  const isNumber = /^[-+−]?[\d.,]+ ?(%|ms|M|x)?$/.test(text);
  return `<td${isNumber ? ' class="number"' : ''}>${escapeHtml(text)}</td>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
