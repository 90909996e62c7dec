import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { GraphEditor, nodeName, unsupported } from '../../src/onnx/graph-editor.js';
import { makeNode, makeTensor, makeValueInfo, newModel, type GraphProto, type NodeProto, type TensorProto } from '../../src/onnx/model-proto.js';

const floats = (name: string, ...values: readonly number[]): TensorProto => makeTensor(name, 'float32', [values.length], Float32Array.from(values));

/** `a+b>c`: a node that reads a and b and makes c. */
function nodes(...texts: readonly string[]): NodeProto[] {
  return texts.map((text) => {
    const [inputs = '', output = ''] = text.split('>');
    return makeNode('Op', `make_${output}`, inputs.split('+'), output.split(','));
  });
}

function editorOf(texts: readonly string[], { outputs = ['y'], constants = [] as readonly TensorProto[], extra = {} } = {}): GraphEditor {
  return new GraphEditor(newModel({ name: 'g', node: nodes(...texts), initializer: [...constants], input: [makeValueInfo('x', 'float32', [1])], output: outputs.map((name) => ({ name })), ...extra }, 17, {}));
}

const made = ({ nodes: all }: Pick<GraphEditor, 'nodes'>): string[] => all.map(({ output }) => output!.join());

/** A node whose branch reads `captured` from around it. */
function branching(captured: string, output: string): NodeProto {
  const branch: GraphProto = { name: 'branch', node: [makeNode('Op', 'inner', [captured], ['inside'])], output: [{ name: 'inside' }] };
  return { ...makeNode('If', `make_${output}`, ['x'], [output]), attribute: [{ name: 'then_branch', g: branch }] };
}

describe('finding the way', () => {
  const editor = editorOf(['x>a', 'a+a+c>b', 'a>y'], { constants: [floats('c', 1)] });

  it('by what makes a tensor and what reads it', () => {
    expect(editor.producerOf('a')?.name).toBe('make_a');
    expect([editor.producerOf('x'), editor.producerOf('c')]).toEqual([undefined, undefined]);
    expect(editor.consumersOf('a').map(({ name }) => name)).toEqual(['make_b', 'make_y']);
    expect([editor.hasOneReader('a'), editor.hasOneReader('c'), editor.hasOneReader('y'), editor.isOutput('y')]).toEqual([false, true, false, true]);
  });

  it('constants are initializers or Constant nodes', () => {
    const constant: NodeProto = { ...makeNode('Constant', 'k', [], ['k']), attribute: [{ name: 'value', t: floats('', 5) }] };
    const withNode = editorOf(['x>y'], { constants: [floats('c', 1)] });
    withNode.insert(constant);
    expect([...withNode.floats({ ...makeNode('Op', 'n', ['k', 'c'], []) }, 0).data]).toEqual([5]);
    expect(withNode.constant('x')).toBeUndefined();
    expect(() => withNode.floats(withNode.producerOf('y')!, 0)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: 'Node make_y (Op): its input 0 is computed, not constant' }));
  });

  test.each([
    ['its name', makeNode('Conv', 'first', [], ['y']), 'first (Conv)'],
    ['its output where it has none', makeNode('Conv', '', [], ['y']), 'Conv of y'],
  ])('a node is called by %s', (_, node, name) => {
    expect(nodeName(node)).toBe(name);
    expect(unsupported(node, 'why').message).toBe(`Node ${name}: why`);
  });
});

describe('changing', () => {
  it('a redirected tensor keeps its name as an output and its exceptions', () => {
    const editor = editorOf(['x>a', 'a>b', 'a>y'], { outputs: ['y', 'a'] });
    editor.redirect('a', 'x', new Set([editor.producerOf('b')!]));
    expect(editor.consumersOf('a').map(({ name }) => name)).toEqual(['make_b']);
    expect(editor.consumersOf('x').map(({ name }) => name)).toEqual(['make_a', 'make_y']);
    expect(editor.isOutput('a')).toBe(true);
  });

  it('a constant of one node leaves the others theirs', () => {
    const editor = editorOf(['x+c>a', 'a+c>y'], { constants: [floats('c', 1)] });
    editor.setFloats(editor.producerOf('a')!, 1, [1], Float32Array.of(2));
    expect([...editor.floats(editor.producerOf('a')!, 1).data]).toEqual([2]);
    expect([...editor.floats(editor.producerOf('y')!, 1).data]).toEqual([1]);
  });

  it('a constant may come behind inputs that were left out', () => {
    const editor = editorOf(['x>y']);
    editor.setFloats(editor.producerOf('y')!, 2, [1], Float32Array.of(2));
    expect(editor.producerOf('y')!.input).toEqual(['x', '', 'y_2']);
  });

  it('names that are free stay free of each other', () => {
    const editor = editorOf(['x>y'], { constants: [floats('y_1', 1)] });
    expect([editor.freeName('y'), editor.freeName('y'), editor.freeName('x'), editor.freeName('new')]).toEqual(['y_2', 'y_3', 'x_1', 'new']);
  });

  it('an inserted node stands after what it reads and before what reads it', () => {
    const editor = editorOf(['x>a', 'b>y']);
    editor.insert(...nodes('a>b'));
    expect(made(editor)).toEqual(['a', 'b', 'y']);
  });

  it('a removed node is not found any more', () => {
    const editor = editorOf(['x>a', 'x>y']);
    editor.remove(editor.producerOf('a')!);
    expect([made(editor), editor.producerOf('a')]).toEqual([['y'], undefined]);
  });
});

describe('sorting', () => {
  it('a cycle is an error that names a node of it', () => {
    const editor = editorOf(['b>a', 'a>b', 'x>y']);
    expect(() => editor.sort()).toThrow(expect.objectContaining({ code: 'ERR_MODEL_CORRUPT', message: expect.stringMatching(/cycle through make_[ab]/) as string }));
  });

  it('what a branch reads from around it comes first', () => {
    const editor = editorOf([], { outputs: ['y'] });
    editor.graph.node = [branching('a', 'y'), ...nodes('x>a')];
    editor.sort();
    expect(made(editor)).toEqual(['a', 'y']);
  });

  it('thousands of nodes in a row are no problem', () => {
    const editor = editorOf(Array.from({ length: 20_000 }, (_, i) => `${i === 0 ? 'x' : `t${i - 1}`}>t${i}`).reverse());
    editor.sort();
    expect(made(editor).slice(0, 2)).toEqual(['t0', 't1']);
  });
});

describe('removing what nobody needs', () => {
  it('nodes, constants, old-style inputs and notes go; what a branch reads stays', () => {
    const editor = editorOf(['x+c>dead', 'dead>dead2', 'x+d>kept', 'x>p,q'], {
      outputs: ['y', 'q'],
      constants: [floats('c', 1), floats('d', 1)],
      extra: { valueInfo: ['dead', 'kept'].map((name) => makeValueInfo(name, 'float32', [1])), input: ['x', 'c', 'd'].map((name) => makeValueInfo(name, 'float32', [1])) },
    });
    editor.insert(branching('kept', 'y'));
    editor.removeUnused();
    expect(made(editor)).toEqual(['kept', 'p,q', 'y']);
    const names = (list: readonly { name?: string | null }[] | null | undefined) => list!.map(({ name }) => name);
    expect([names(editor.graph.initializer), names(editor.graph.valueInfo), names(editor.graph.input)]).toEqual([['d'], ['kept'], ['x', 'd']]);
  });
});

describe('random graphs', () => {
  /** Nodes each of which reads some earlier ones (or the input), in random order. */
  const graph = fc
    .array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 25 })
    .map((reads) => reads.map((inputs, i) => `${inputs.map((input) => (input % (i + 1) === i ? 'x' : `t${input % (i + 1)}`)).join('+')}>t${i}`))
    .chain((texts) => fc.record({ texts: fc.constant(texts), shuffled: fc.shuffledSubarray(texts, { minLength: texts.length }), output: fc.nat(texts.length - 1) }));

  it('are in order after sorting, nothing lost; a sorted one stays', () => {
    fc.assert(
      fc.property(graph, ({ shuffled, texts }) => {
        const editor = editorOf(shuffled);
        editor.sort();
        const seen = new Set(['x']);
        for (const { input, output } of editor.nodes) {
          for (const name of input!) expect(seen.has(name)).toBe(true);
          seen.add(output![0]!);
        }
        expect(made(editor).sort()).toEqual(nodes(...texts).map(({ output }) => output![0]).sort());
        const order = made(editor);
        editor.sort();
        expect(made(editor)).toEqual(order);
      }),
    );
  });

  it('keep exactly what the output needs', () => {
    fc.assert(
      fc.property(graph, ({ texts, output }) => {
        const editor = editorOf(texts, { outputs: [`t${output}`] });
        const needed = new Set<string>();
        const visit = (name: string): void => {
          if (name === 'x' || needed.has(name)) return;
          needed.add(name);
          editor.producerOf(name)!.input!.forEach(visit);
        };
        visit(`t${output}`);
        editor.removeUnused();
        expect(new Set(made(editor))).toEqual(needed);
      }),
    );
  });
});
