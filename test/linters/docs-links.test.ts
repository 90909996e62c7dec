import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPOSITORY, repositoryFiles } from '../fixtures/repository.js';

const pages = repositoryFiles('.', '.md');

/** Without code, in which brackets mean something else. */
function proseOf(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8').replaceAll(/^ *(```|~~~).*?^ *\1/gms, '').replaceAll(/`[^`\n]*`/g, '');
}

/** Targets of links and pictures that lead to files of the project. */
function relativeLinks(markdown: string): string[] {
  const inline = [...markdown.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)];
  const byReference = [...markdown.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/gm)];
  return [...inline, ...byReference].map((match) => match[1]!).filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** Anchors as GitHub makes them of headings. */
function anchorsOf(path: string): Set<string> {
  const text = readFileSync(join(REPOSITORY, path), 'utf8').replaceAll(/^ *(```|~~~).*?^ *\1/gms, '');
  const headings = [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map((match) => match[1]!);
  return new Set(headings.map((heading) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-')));
}

/** What is wrong with a link, undefined where nothing is. */
function faultOf(page: string, link: string): string | undefined {
  const [target = '', anchor] = link.split('#');
  const path = target === '' ? page : normalize(join(dirname(page), decodeURIComponent(target)));
  if (path.startsWith('..')) return `${page}: ${link} leads out of the project`;
  if (!existsSync(join(REPOSITORY, path))) return `${page}: ${link} leads nowhere`;
  if (anchor === undefined || !path.endsWith('.md') || statSync(join(REPOSITORY, path)).isDirectory()) return undefined;
  return anchorsOf(path).has(anchor) ? undefined : `${page}: ${link} names no heading`;
}

test('every relative link of the documentation leads somewhere', () => {
  const links = pages.flatMap((page) => relativeLinks(proseOf(page)).map((link) => ({ page, link })));
  console.log(`${links.length} relative links in ${pages.length} pages`);
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/errors.md']));
  expect(links.length).toBeGreaterThan(0);
  expect(links.map(({ page, link }) => faultOf(page, link)).filter((fault) => fault !== undefined)).toEqual([]);
});

describe('the check itself', () => {
  test.each<[string, string, string[]]>([
    ['a link', 'see [this](docs/errors.md) and [that](a.md#b "title")', ['docs/errors.md', 'a.md#b']],
    ['a picture', '![alt](docs/viewer.png)', ['docs/viewer.png']],
    ['a reference', '[x]: ./a.md', ['./a.md']],
    ['addresses elsewhere', '[a](https://example.org) [b](mailto:x@example.org)', []],
  ])('finds %s', (_, markdown, links) => {
    expect(relativeLinks(markdown)).toEqual(links);
  });

  test.each<[string, string | undefined]>([
    ['docs/errors.md', undefined],
    ['docs/errors.md#models', undefined],
    ['#use-it', undefined],
    ['docs/nothing.md', 'README.md: docs/nothing.md leads nowhere'],
    ['docs/errors.md#nothing', 'README.md: docs/errors.md#nothing names no heading'],
    ['../elsewhere.md', 'README.md: ../elsewhere.md leads out of the project'],
  ])('judges %s', (link, fault) => {
    expect(faultOf('README.md', link)).toBe(fault);
  });
});
