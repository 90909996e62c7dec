// The part of the Dockerfile language that ours uses: instructions, continuation lines, comments, flags, JSON arrays, stages.

const KNOWN = ['FROM', 'ARG', 'ENV', 'WORKDIR', 'COPY', 'ADD', 'RUN', 'USER', 'VOLUME', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD', 'LABEL', 'STOPSIGNAL', 'SHELL'];

/**
 * @typedef {{ name: string, line: number, flags: Record<string, string>, text: string, json: string[] | undefined }} Instruction
 * `text` is what follows name and flags; `json` is its array form.
 * @typedef {{ base: string, name: string | undefined, line: number, instructions: Instruction[] }} Stage
 */

/** @returns {{ stages: Stage[], instructions: Instruction[] }} Throws with a line number where it isn't a Dockerfile. */
export function parseDockerfile(source) {
  const instructions = logicalLines(source).map(parseInstruction);
  const stages = [];
  for (const instruction of instructions) {
    if (instruction.name === 'FROM') stages.push(parseStage(instruction));
    else if (stages.length > 0) stages.at(-1).instructions.push(instruction);
    else if (instruction.name !== 'ARG') throw new Error(`line ${instruction.line}: expected FROM first but found ${instruction.name}`);
  }
  return { stages, instructions };
}

function logicalLines(source) {
  const lines = [];
  let open;
  source.split('\n').forEach((text, index) => {
    if (/^\s*#/.test(text) || (text.trim() === '' && !open)) return;
    const continues = /\\\s*$/.test(text);
    const piece = text.replace(/\\\s*$/, '').trim();
    if (open) open.text += ` ${piece}`;
    else open = { line: index + 1, text: piece };
    if (continues) return;
    lines.push(open);
    open = undefined;
  });
  if (open) throw new Error(`line ${open.line}: the file ends within this instruction`);
  return lines;
}

function parseInstruction({ line, text }) {
  const [, word, rest = ''] = /^(\S+)\s*(.*)$/.exec(text);
  const name = word.toUpperCase();
  if (!KNOWN.includes(name)) throw new Error(`line ${line}: unknown instruction ${word}`);
  const flags = {};
  let body = rest;
  for (let match; (match = /^--([a-z-]+)(?:=(\S+))?\s+/.exec(body)); body = body.slice(match[0].length)) flags[match[1]] = match[2] ?? '';
  return { name, line, flags, text: body, json: parseArray(body, line) };
}

function parseArray(text, line) {
  if (!text.startsWith('[')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`line ${line}: expected a JSON array but found ${text}`);
  }
}

function parseStage({ text, line }) {
  const [base, as, name] = text.split(/\s+/);
  return { base, name: as?.toUpperCase() === 'AS' ? name : undefined, line, instructions: [] };
}

/** `KEY=value KEY2="a value"` as pairs. */
export function parsePairs(text) {
  return [...text.matchAll(/([A-Za-z_]\w*)=(?:"([^"]*)"|(\S*))/g)].map(([, key, quoted, plain]) => [key, quoted ?? plain]);
}

/** Sources and target of COPY and ADD. */
export function parseCopy({ text, json }) {
  const words = json ?? text.split(/\s+/);
  return { sources: words.slice(0, -1), target: words.at(-1) };
}
