import { describe, expect, it, test } from 'vitest';
import { drawPlot, Plot } from '../../src/report/plot.js';
import { renderReport, type Block } from '../../src/report/report.js';

const HOSTILE = `<script>alert("x")</script> & 'quotes'`;

function page(...blocks: readonly Block[]): string {
  return renderReport({ title: 'Title', conclusion: 'Found.', command: 'lynceus x', facts: [['machine', 'this one']], sections: [{ title: 'Section', blocks }] });
}

describe('a report', () => {
  test.each<[string, Block]>([
    ['a text', { kind: 'text', text: HOSTILE }],
    ['a cell', { kind: 'table', header: ['a'], rows: [[HOSTILE]] }],
    ['a header and a caption', { kind: 'table', header: [HOSTILE], rows: [], caption: HOSTILE }],
    ["a plot's caption", { kind: 'plot', markup: '<svg></svg>', caption: HOSTILE }],
    ["a picture's caption", { kind: 'picture', png: Uint8Array.of(1), caption: HOSTILE }],
    ['the titles and the caption of panels', { kind: 'panels', panels: [{ title: HOSTILE, jpeg: Uint8Array.of(1) }], caption: HOSTILE }],
  ])('shows %s as it is written, and runs nothing', (_, block) => {
    const html = page(block);
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;quotes&#39;');
    expect(html).not.toContain('<script');
  });

  it('escapes title, conclusion, command, facts and section titles, too', () => {
    const html = renderReport({ title: HOSTILE, conclusion: HOSTILE, command: HOSTILE, facts: [[HOSTILE, HOSTILE]], sections: [{ title: HOSTILE, blocks: [] }] });
    expect(html).not.toContain('<script');
    expect(html.match(/&lt;script&gt;/g)).toHaveLength(7);
  });

  it('can be read offline: nothing in it is loaded from anywhere', () => {
    const markup = drawPlot({ color: { legend: true }, marks: [Plot.dot([{ x: 1, y: 2, kind: 'a' }, { x: 2, y: 3, kind: 'b' }], { x: 'x', y: 'y', fill: 'kind' })] });
    const html = page({ kind: 'plot', markup, caption: 'c' }, { kind: 'picture', png: Uint8Array.of(137, 80, 78, 71), caption: 'p' }, { kind: 'panels', panels: [{ title: 'before', jpeg: Uint8Array.of(255, 216, 255) }], caption: 'q' });
    // Names of XML's own vocabulary look like addresses; they are names.
    const loads = [...html.matchAll(/\b(?:src|href|action|data|poster|srcset)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import/gi)].map(([whole, first, second]) => first ?? second ?? whole);
    expect(loads.filter((address) => !/^(data:|#)/.test(address))).toEqual([]);
    expect(html).toContain('data:image/png;base64,iVBORw==');
    expect(html).toContain('data:image/jpeg;base64,/9j/');
    expect(html).not.toMatch(/<(script|link|iframe|object|embed)\b/i);
    expect(html).not.toMatch(/\son[a-z]+\s*=/i);
  });

  it('sets numbers to the right', () => {
    const html = page({ kind: 'table', header: ['a', 'b'], rows: [[1.5, 'text'], ['-3.2 %', '12 ms']] });
    expect(html.match(/<td class="number">[^<]*/g)).toEqual(['<td class="number">1.5', '<td class="number">-3.2 %', '<td class="number">12 ms']);
  });
});

describe('drawPlot', () => {
  it('draws every point, with the axes and the legend that were asked for', () => {
    const points = [1, 2, 3].map((x) => ({ x, y: x * x, kind: x > 1 ? 'many' : 'one' }));
    const markup = drawPlot({ x: { label: 'latency, ms' }, color: { legend: true }, marks: [Plot.dot(points, { x: 'x', y: 'y', fill: 'kind' })] });
    expect(markup.match(/<circle /g)).toHaveLength(3);
    expect(markup).toContain('latency, ms');
    expect(markup).toContain('many');
  });

  it('gives the same markup for the same data', () => {
    const draw = () => drawPlot({ marks: [Plot.line([[1, 2], [2, 1]])] }).replaceAll(/plot-[0-9a-z]+/g, '');
    expect(draw()).toBe(draw());
  });

  it('shows texts as texts', () => {
    expect(drawPlot({ marks: [Plot.text([[1, 1]], { text: () => '<b>&' })] })).toContain('&lt;b&gt;&amp;');
  });
});
