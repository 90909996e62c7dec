import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TurnQueue } from '../../src/core/admission.js';
import { GuardGate } from '../../src/guard/guard-gate.js';

const ASKER = {};

/** Asks, and tells when it was let in. */
function ask(gate: GuardGate, entered: string[], name: string, takes = true): () => void {
  return gate.request(() => {
    entered.push(name);
    return takes;
  }, ASKER);
}

describe('the gate', () => {
  test('lets in as many as it has room for, and the next when one has left', () => {
    const turns = new TurnQueue(5);
    const gate = new GuardGate(2, turns);
    const entered: string[] = [];
    for (const name of ['a', 'b', 'c']) ask(gate, entered, name);
    expect(entered).toEqual(['a', 'b']);
    turns.release();
    expect(entered).toEqual(['a', 'b']);
    gate.leave();
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  test('asks for a turn only with a place: a turn is never held by one that has to wait', () => {
    const turns = new TurnQueue(1);
    const gate = new GuardGate(1, turns);
    const entered: string[] = [];
    ask(gate, entered, 'a');
    turns.release();
    ask(gate, entered, 'waits for its place');
    const other: string[] = [];
    turns.request(() => {
      other.push('another stream');
      return true;
    }, {});
    expect([entered, other]).toEqual([['a'], ['another stream']]);
  });

  test('gives place and turn back where nobody takes them', () => {
    const turns = new TurnQueue(1);
    const gate = new GuardGate(1, turns);
    const entered: string[] = [];
    ask(gate, entered, 'nobody', false);
    ask(gate, entered, 'a');
    expect(entered).toEqual(['nobody', 'a']);
  });

  test.each([
    ['waits for a place', 1, 1],
    ['has a place and waits for a turn', 2, 0],
  ])('forgets one that %s and withdraws', (_, room, turnsBack) => {
    const turns = new TurnQueue(1);
    const gate = new GuardGate(room, turns);
    const entered: string[] = [];
    ask(gate, entered, 'a');
    for (let i = 0; i < turnsBack; i += 1) turns.release();
    const withdraw = ask(gate, entered, 'withdrawn');
    withdraw();
    withdraw();
    ask(gate, entered, 'b');
    gate.leave();
    if (turnsBack === 0) turns.release();
    expect(entered).toEqual(['a', 'b']);
  });

  test('whatever happens, no place and no turn is lost, and never more are inside than there is room', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.array(fc.record({ what: fc.constantFrom('ask', 'refuse', 'withdraw', 'leave', 'turn'), which: fc.nat(9) }), { maxLength: 60 }), (room, turnCount, steps) => {
        const turns = new TurnQueue(turnCount);
        const gate = new GuardGate(room, turns);
        let inside = 0;
        let turnsOut = 0;
        const waiting: (() => void)[] = [];
        for (const { what, which } of steps) {
          if (what === 'ask' || what === 'refuse') {
            const withdraw = gate.request(() => {
              if (what === 'refuse') return false;
              inside += 1;
              turnsOut += 1;
              expect(inside).toBeLessThanOrEqual(room);
              return true;
            }, ASKER);
            waiting.push(withdraw);
          }
          if (what === 'withdraw' && waiting.length > 0) waiting.splice(which % waiting.length, 1)[0]!();
          if (what === 'leave' && inside > 0) {
            inside -= 1;
            gate.leave();
          }
          if (what === 'turn' && turnsOut > 0) {
            turnsOut -= 1;
            turns.release();
          }
        }
        for (const withdraw of waiting) withdraw();
        for (; inside > 0; inside -= 1) gate.leave();
        for (; turnsOut > 0; turnsOut -= 1) turns.release();
        let letIn = 0;
        for (let i = 0; i < room + 1; i += 1) {
          gate.request(() => {
            letIn += 1;
            turns.release();
            return true;
          }, ASKER);
        }
        expect(letIn).toBe(room);
      }),
    );
  });
});
