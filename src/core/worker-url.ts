/**
 * URL of a worker's compiled script. Workers always run the JavaScript that ships: from the sources (under the test runner) the
 * path leads to `dist`, which the tests build first.
 *
 * @param base `import.meta.url` of the caller; @param script path beside it, ending in `.js`.
 */
export function workerUrl(base: string, script: string): URL {
  const url = new URL(script, base);
  // A room's folder, or one in it; a project that lies in a folder called src has its own dist there.
  url.pathname = url.pathname.replace(/\/src\/(?!dist\/)(?=(?:[^/]+\/){1,2}[^/]+$)/, '/dist/');
  return url;
}
