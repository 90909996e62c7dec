import * as Plot from '@observablehq/plot';
import { Window } from 'happy-dom';

export { Plot };

/** Height of a plot over its width, where a plot doesn't say another. */
const ASPECT = 0.56;
const WIDTH_PX = 860;

let page: Document | undefined;

/**
 * Draws a plot as markup (an SVG, with a legend in front where the colours have one) that needs no script and no network to be seen.
 *
 * @param options as Observable Plot takes them; width, height and font are the report's unless given.
 */
export function drawPlot(options: Plot.PlotOptions): string {
  // The marks are made of DOM nodes: Node has none of its own.
  page ??= new Window().document as unknown as Document;
  const width = options.width ?? WIDTH_PX;
  const style = { background: 'none', fontSize: '12px', ...(typeof options.style === 'object' ? options.style : {}) };
  return Plot.plot({ document: page, width, height: Math.round(width * ASPECT), marginLeft: 56, marginBottom: 44, ...options, style }).outerHTML;
}
