/**
 * Class names as exporters write them into `metadata_props`: a Python dict `{0: 'person', 1: "driver's seat"}` or list, or JSON.
 *
 * @returns names by class id, or undefined where the text is neither or ids are missing.
 */
export function parseNames(text: string): string[] | undefined {
  const tokens = tokenize(text);
  if (!tokens) return undefined;
  const open = tokens[0]?.text;
  const inner = tokens.slice(1, -1);
  if (open === '[' && tokens.at(-1)?.text === ']') return listOf(inner);
  if (open === '{' && tokens.at(-1)?.text === '}') return dictOf(inner);
  return undefined;
}

interface Token {
  readonly kind: 'string' | 'number' | 'sign';
  readonly text: string;
}

const TOKEN = /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d+)|([[\]{}:,]))\s*/y;

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) return undefined;
    const [, single, double, number, sign] = match;
    const string = single ?? double;
    if (string !== undefined) tokens.push({ kind: 'string', text: unescapeText(string) });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else tokens.push({ kind: 'sign', text: sign ?? '' });
  }
  return tokens;
}

function unescapeText(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))/gi, (_, hex2: string | undefined, hex4: string | undefined, char: string | undefined) => {
    const code = hex2 ?? hex4;
    return code === undefined ? (char ?? '') : String.fromCharCode(parseInt(code, 16));
  });
}

function listOf(tokens: readonly Token[]): string[] | undefined {
  const items = splitAtCommas(tokens);
  const names = items.map(([name, ...rest]) => (name?.kind === 'string' && rest.length === 0 ? name.text : undefined));
  return complete(names);
}

function dictOf(tokens: readonly Token[]): string[] | undefined {
  const names: (string | undefined)[] = [];
  for (const [key, colon, name, ...rest] of splitAtCommas(tokens)) {
    const id = Number(key?.text);
    // No detector has a million classes; a huge id would only make a huge array.
    if (colon?.text !== ':' || name?.kind !== 'string' || rest.length > 0 || !Number.isInteger(id) || id < 0 || id > 1e6) return undefined;
    names[id] = name.text;
  }
  return complete(Array.from(names));
}

function splitAtCommas(tokens: readonly Token[]): Token[][] {
  const items: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'sign' && token.text === ',') items.push([]);
    else items.at(-1)!.push(token);
  }
  // A comma after the last item is allowed.
  return items.at(-1)!.length === 0 ? items.slice(0, -1) : items;
}

function complete(names: readonly (string | undefined)[]): string[] | undefined {
  const found = names.filter((name) => name !== undefined && name !== '');
  return found.length === names.length && found.length > 0 ? (found as string[]) : undefined;
}
