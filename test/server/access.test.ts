import { expect, test } from 'vitest';
import { checkAuthorization, isHostAllowed, isOriginAllowed, isToken, type AccessRules } from '../../src/server/access.js';

const rules = (overrides: Partial<AccessRules> = {}): AccessRules => ({ token: undefined, allowedOrigins: [], host: '127.0.0.1', ...overrides });

test.each([
  ['no token is asked for', undefined, undefined, 'accepted'],
  ['none is sent', 'secret', undefined, 'missing'],
  ['the right one', 'secret', 'Bearer secret', 'accepted'],
  ['the scheme in any case', 'secret', 'bearer secret', 'accepted'],
  ['a wrong one of the same length', 'secret', 'Bearer sekret', 'wrong'],
  ['a longer one', 'secret', 'Bearer secretsecret', 'wrong'],
  ['an empty one', 'secret', 'Bearer ', 'wrong'],
  ['another scheme', 'secret', 'Basic secret', 'wrong'],
])('authorization: %s', (_, token, authorization, verdict) => {
  expect(checkAuthorization(rules({ token }), authorization === undefined ? {} : { authorization })).toBe(verdict);
});

test('a token is compared as a whole', () => {
  expect(['secret', 'secre', 'secret ', ''].map((token) => isToken(rules({ token: 'secret' }), token))).toEqual([true, false, false, false]);
});

test.each([
  ['no browser', undefined, [], true],
  ['its own page', 'http://127.0.0.1:8080', [], true],
  ['another port of the same host is another origin', 'http://127.0.0.1:9090', [], false],
  ['another host', 'https://evil.example', [], false],
  ['a listed one', 'https://wall.example', ['https://wall.example'], true],
  ['a listed one with another scheme', 'http://wall.example', ['https://wall.example'], false],
  ['any', 'https://evil.example', ['*'], true],
  ['a file or a sandbox', 'null', [], false],
  ['nonsense', 'not a url', [], false],
])('origin: %s', (_, origin, allowedOrigins, isAllowed) => {
  expect(isOriginAllowed(rules({ allowedOrigins }), { host: '127.0.0.1:8080', ...(origin === undefined ? {} : { origin }) })).toBe(isAllowed);
});

test.each([
  ['a number', '127.0.0.1:8080', {}, true],
  ['an IPv6 number', '[::1]:8080', {}, true],
  ['localhost', 'localhost:8080', {}, true],
  ['a name that somebody made to point here', 'evil.example:8080', {}, false],
  ['a name of a listed origin', 'cams.example', { allowedOrigins: ['https://cams.example'] }, true],
  ['any name, where the server is on the network', 'box.local:8080', { host: '0.0.0.0' }, true],
  ['nonsense', 'a b', {}, false],
])('host: %s', (_, host, overrides, isAllowed) => {
  expect(isHostAllowed(rules(overrides), { host })).toBe(isAllowed);
});
